// How a program ends an attempt to wait for a signal: its task stands at Suspend, holds no worker, and the program is run again with what
// came in `context.delivered`. Used by programs, read by watcher/run.ts.
import { parseDuration } from '../dag/duration.ts';
import type { Wait } from '../dag/outcome.ts';
import type { Json } from '../dag/vocabulary.ts';

/** What such a program returns. */
export interface Waiting {
  readonly wait: Wait;
  /** Milliseconds; null: as long as it takes. */
  readonly timeout: number | null;
  readonly checkpoint: Json;
}

export interface WaitForSignal {
  /** The name of the signal. */
  signal: string;
  /** How long: milliseconds or text such as `30m`; absent or 0: as long as it takes. */
  timeout?: number | string;
  /** Delivered when nothing came in time; absent: the task fails with a `TimeoutError`. */
  default?: Json;
}

// Symbol.for: made through another copy of this package, it is still recognised.
const BRAND = Symbol.for('umbel.waiting');
const LONGEST_NAME = 256;

/** Return this to be run again when the signal has come; `checkpoint` is `context.checkpoint` then. */
export function waitFor(what: WaitForSignal, checkpoint: Json = null): Waiting {
  const { signal, timeout = 0 } = what;
  if (typeof signal !== 'string' || signal === '' || signal.length > LONGEST_NAME)
    throw new TypeError(`waitFor: signal must be a name of 1 to ${LONGEST_NAME} characters`);
  const limit = parseDuration(timeout);
  if (limit === undefined)
    throw new TypeError(`waitFor: "${timeout}" is not a duration such as 500ms, 30s or 5m`);
  const wait: Wait = { kind: 'signal', name: signal };
  if (what.default !== undefined) wait.default = what.default;
  return waiting({ wait, timeout: limit === 0 ? null : limit, checkpoint });
}

/** Marks it as what a program returns to wait. */
export function waiting(content: Waiting): Waiting {
  return Object.freeze(Object.defineProperty({ ...content }, BRAND, { value: true }));
}

export function isWaiting(value: unknown): value is Waiting {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, BRAND);
}
