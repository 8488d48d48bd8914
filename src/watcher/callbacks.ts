// Steps that await a callback: their tasks get a token before the program runs, and wait for whoever knows it once the program has
// succeeded. Called by prepare.ts and begin.ts.
import { randomBytes } from 'node:crypto';
import type { JsonObject } from '../dag/vocabulary.ts';
import type { Callback } from '../programs/program.ts';
import type { Claimed } from '../sql/advance.ts';
import { issueTokens } from '../sql/callbacks.ts';
import type { Database } from '../sql/database.ts';
import type { Holding } from './holdings.ts';
import type { RanOutcome } from './ran.ts';
import { heartbeatOf } from './verdict.ts';

/** Of the tasks whose steps await a callback; a task keeps its token from one attempt to the next. */
export async function issueCallbacks(
  db: Database,
  url: string,
  tasks: Claimed[],
  steps: { options: JsonObject | null }[],
): Promise<Map<Claimed, Callback>> {
  const waiting = tasks.filter((task, at) => awaitsCallback(task, steps[at]!.options));
  if (waiting.length === 0) return new Map();
  const tokens = await issueTokens(
    db,
    waiting.map((task) => ({ ...task, token: randomBytes(24).toString('base64url') })),
  );
  const issued = waiting.map((task, at) => [task, tokens[at] ?? null] as const);
  return new Map(
    issued.flatMap(([task, token]) => (token === null ? [] : [[task, { url: `${url}/${token}`, token }]])),
  );
}

/** Once its program has succeeded, not its fallback, a task whose step awaits a callback waits for it; what the program returned counts for nothing. */
export function waitForCallback(outcome: RanOutcome, { task, prepared }: Holding): RanOutcome {
  const { callback, options, falling } = prepared!;
  if (outcome.kind !== 'finished' || falling || !awaitsCallback(task, options)) return outcome;
  const beat = heartbeatOf(options);
  const token = callback === null ? {} : { token: callback.token };
  const wait = { kind: 'callback' as const, ...token, ...(beat === undefined ? {} : { beat }) };
  return { kind: 'wait', wait, timeout: null, checkpoint: null };
}

/** Not when the answer is there. */
export function awaitsCallback({ delivered }: Claimed, options: JsonObject | null): boolean {
  return options?.['awaitCallback'] === true && delivered?.kind !== 'callback';
}
