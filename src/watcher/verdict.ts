// What becomes of a task when an attempt has ended: the step's retries and allowFail have their say. Called by begin.ts.
import { parseDuration } from '../dag/duration.ts';
import type { Outcome, TaskError } from '../dag/outcome.ts';
import { nextRetry, readRetryPolicy } from '../dag/retry.ts';
import type { Json, JsonObject } from '../dag/vocabulary.ts';
import type { Program } from '../programs/program.ts';
import type { Claimed } from '../sql/advance.ts';
import { catchFailure, type Caught } from './catching.ts';
import { beginFallback, judgeFallback } from './fallback.ts';
import type { Known } from './known-plans.ts';
import type { RanOutcome } from './ran.ts';
import type { Limits } from './run.ts';

/** What is recorded. */
export type Verdict =
  Exclude<Outcome, { kind: 'finished' }> | Extract<RanOutcome, { kind: 'finished' }> | Caught;

/** Retries first, then what the step catches, its fallback, and whether it allows failure. At once, but for a failure that is caught. */
export function judgeAttempt(
  outcome: RanOutcome,
  task: Claimed,
  known: Known | undefined,
  program: Program | undefined,
): Verdict | Promise<Verdict> {
  const options = known?.options ?? null;
  if (known?.falling) return judgeFallback(outcome, known.falling, options, Math.random());
  if (outcome.kind !== 'failed') return outcome;
  const { error, retryable, after } = outcome;
  const policy = readRetryPolicy(options?.['retry'] ?? program?.retries ?? undefined);
  const delay = nextRetry(policy, task.retried, { name: error.name, retryable, after }, Math.random());
  if (delay !== undefined) return { kind: 'retry', error, delay };
  if (!known || known.catches.length === 0) return judgeUncaught(error, options, task);
  return catchFailure(known.catches, error, outcome.scope).then((caught) =>
    caught.kind === 'caught' ? caught : judgeUncaught(caught.error, options, task),
  );
}

function judgeUncaught(error: TaskError, options: JsonObject | null, task: Claimed): Verdict {
  if ((options?.['fallback'] ?? null) !== null) return beginFallback(error, task.checkpoint);
  return { kind: options?.['allowFail'] === true ? 'ignored' : 'failed', error };
}

/** The step's limits of an attempt; what it does not say is left to the program, and 0 means none. */
export function limitsOf(options: JsonObject | null): Limits {
  const timeout = attemptTimeout(options?.timeout);
  if (timeout === undefined) return {};
  return { timeout: timeout === 0 ? null : timeout };
}

/** Milliseconds between two signs of life; undefined: none are asked for. */
export function heartbeatOf(options: JsonObject | null): number | undefined {
  const timeout = options?.['timeout'];
  if (typeof timeout !== 'object' || timeout === null || Array.isArray(timeout)) return undefined;
  return parseDuration(timeout['heartbeat']) || undefined;
}

/** `timeout: 30s`, or `timeout: {attempt: 30s}`. */
function attemptTimeout(timeout: Json | undefined): number | undefined {
  const given =
    typeof timeout === 'object' && timeout !== null && !Array.isArray(timeout) ? timeout.attempt : timeout;
  return typeof given === 'number' || typeof given === 'string' ? parseDuration(given) : undefined;
}
