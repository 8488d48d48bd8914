// What signal.wait and approval.wait share: their parameters, and waiting until one signal has come.
import { Type } from 'typebox';
import { parseDuration } from '../dag/duration.ts';
import type { Json } from '../dag/vocabulary.ts';
import { invalidParameters } from './program-error.ts';
import type { Context, Signal } from './program.ts';
import { waitFor, type Waiting } from './wait-for.ts';

export const WaitLimits = {
  timeout: Type.Optional(
    Type.Unsafe<string | number>({
      type: ['string', 'integer'],
      description: 'How long, a duration such as 30m. Without it, or with 0, as long as it takes.',
    }),
  ),
  default: Type.Optional(
    Type.Unsafe<Json>({
      description: 'The value when the time is over. Without it the task fails with a TimeoutError.',
    }),
  ),
};

type Limits = { timeout?: string | number; default?: Json };

/** Waits for the signal; once it has come, what `read` makes of it. */
export function waitForOnce(
  { params, delivered }: Context<Limits>,
  signal: string,
  read: (signal: Signal) => Json,
): Json | Waiting {
  if (delivered !== null) return read(delivered);
  const { timeout = 0, default: fallback } = params;
  if (parseDuration(timeout) === undefined)
    throw invalidParameters(`timeout: "${timeout}" is not a duration such as 30s`);
  return waitFor({ signal, timeout, ...(fallback === undefined ? {} : { default: fallback }) });
}
