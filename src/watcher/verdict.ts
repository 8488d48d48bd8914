// What becomes of a task when an attempt has ended: the step's retries and allowFail have their say. Called by begin.ts.
import { parseDuration } from '../dag/duration.ts';
import type { Outcome } from '../dag/outcome.ts';
import { nextRetry, readRetryPolicy } from '../dag/retry.ts';
import type { Json, JsonObject } from '../dag/vocabulary.ts';
import type { Program } from '../programs/program.ts';
import type { Claimed } from '../sql/advance.ts';
import type { RanOutcome } from './ran.ts';
import type { Limits } from './run.ts';

/** What is recorded. */
export type Verdict = Exclude<Outcome, { kind: 'finished' }> | Extract<RanOutcome, { kind: 'finished' }>;

export function judgeAttempt(
  outcome: RanOutcome,
  task: Claimed,
  options: JsonObject | null,
  program: Program | undefined,
): Verdict {
  if (outcome.kind !== 'failed') return outcome;
  const { error, retryable, after } = outcome;
  const policy = readRetryPolicy(options?.retry ?? program?.retries ?? undefined);
  const delay = nextRetry(policy, task.retried, { name: error.name, retryable, after }, Math.random());
  if (delay !== undefined) return { kind: 'retry', error, delay };
  return { kind: options?.allowFail === true ? 'ignored' : 'failed', error };
}

/** The step's limits of an attempt; what it does not say is left to the program, and 0 means none. */
export function limitsOf(options: JsonObject | null): Limits {
  const timeout = attemptTimeout(options?.timeout);
  if (timeout === undefined) return {};
  return { timeout: timeout === 0 ? null : timeout };
}

/** `timeout: 30s`, or `timeout: {attempt: 30s}`. */
function attemptTimeout(timeout: Json | undefined): number | undefined {
  const given =
    typeof timeout === 'object' && timeout !== null && !Array.isArray(timeout) ? timeout.attempt : timeout;
  return typeof given === 'number' || typeof given === 'string' ? parseDuration(given) : undefined;
}
