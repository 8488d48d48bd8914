// When a failed attempt is tried again. Pure: the watcher asks after every failure, and nobody else decides.
import { parseDuration } from './duration.ts';
import type { Json, JsonObject } from './vocabulary.ts';

export interface RetryPolicy {
  /** How often it is tried again; 0: never. */
  limit: number;
  /** Milliseconds before the first retry. */
  delay: number;
  /** What the delay is multiplied with from one retry to the next. */
  factor: number;
  /** Milliseconds that the delay never exceeds. */
  maxDelay: number;
  /** full: anything from 0 to the delay, so that many failures at once do not come back at once. */
  jitter: 'full' | 'none';
  /** Names of errors that are tried again; `*` is all. */
  on: string[];
  /** Names of errors that are not. */
  notOn: string[];
}

/** What a failed attempt brings along for the decision. */
export interface Failure {
  /** Name of the error. */
  name: string;
  /** False: the program said that trying again is of no use. */
  retryable: boolean;
  /** Milliseconds that the program asked to wait; undefined: the policy says. */
  after?: number | undefined;
}

const DEFAULTS: RetryPolicy = {
  limit: 0,
  delay: 1_000,
  factor: 2,
  maxDelay: 60_000,
  jitter: 'full',
  on: ['*'],
  notOn: [],
};

/** A step's `retry`: a number of retries, or an object with any of the policy's keys, durations as number or text. */
export function readRetryPolicy(retry: Json | undefined): RetryPolicy {
  if (typeof retry === 'number') return { ...DEFAULTS, limit: retry };
  if (retry === null || typeof retry !== 'object' || Array.isArray(retry)) return DEFAULTS;
  const given = retry as JsonObject & Partial<RetryPolicy>;
  const delay = toMs(retry.delay, DEFAULTS.delay);
  // Who asks for an hour without naming a longest delay means an hour.
  return { ...DEFAULTS, ...given, delay, maxDelay: toMs(retry.maxDelay, Math.max(delay, DEFAULTS.maxDelay)) };
}

/** Milliseconds to wait before the next try, or undefined when there is none. `random` is from 0 to 1. */
export function nextRetry(
  policy: RetryPolicy,
  retried: number,
  failure: Failure,
  random: number,
): number | undefined {
  if (retried >= policy.limit || !failure.retryable || !isRetried(policy, failure.name)) return undefined;
  if (failure.after !== undefined) return failure.after;
  const delay = Math.min(policy.maxDelay, policy.delay * policy.factor ** retried);
  return policy.jitter === 'full' ? delay * random : delay;
}

/** These fail the same way again unless what they look at changes: `*` does not mean them. */
const NAMED_ONLY: readonly string[] = ['ExpressionError'];

function isRetried({ on, notOn }: RetryPolicy, name: string): boolean {
  const matches = (names: string[]) => names.includes('*') || names.includes(name);
  return (NAMED_ONLY.includes(name) ? on.includes(name) : matches(on)) && !matches(notOn);
}

function toMs(value: Json | undefined, otherwise: number): number {
  return (
    (typeof value === 'number' || typeof value === 'string' ? parseDuration(value) : undefined) ?? otherwise
  );
}
