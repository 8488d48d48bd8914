// The errors a program may throw to say more than "it failed". Used by programs, read by watcher/task-error.ts.
import type { Json } from '../dag/vocabulary.ts';
import { parseDuration } from '../dag/duration.ts';

export interface ProgramErrorOptions {
  /** What `retry.on`, `retry.notOn` and `catch` match; the class name when not given. */
  name?: string;
  /** Any JSON that helps to understand the failure; stored with the task. */
  details?: Json;
  cause?: unknown;
}

/** A failure with a name to match and details to store. */
export class ProgramError extends Error {
  readonly details: Json | undefined;

  constructor(message: string, options: ProgramErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = options.name ?? 'ProgramError';
    this.details = options.details;
  }
}

/** A failure that trying again cannot mend: retries are skipped. */
export class NonRetryable extends ProgramError {
  readonly retryable = false;

  constructor(message: string, options: ProgramErrorOptions = {}) {
    super(message, { name: 'NonRetryable', ...options });
  }
}

/** A failure that says when to try again, a `RateLimitError` unless it is named; `duration` is milliseconds or text such as `30s`. */
export class RetryAfter extends ProgramError {
  /** Milliseconds until the next attempt. */
  readonly delay: number;

  constructor(
    duration: number | string,
    message = `asked to be tried again after ${duration}`,
    options: ProgramErrorOptions = {},
  ) {
    super(message, { name: 'RateLimitError', ...options });
    const delay = parseDuration(duration);
    if (delay === undefined)
      throw new TypeError(`RetryAfter: "${duration}" is not a duration such as 500ms, 30s or 5m`);
    this.delay = delay;
  }
}

/** The error of a program that finds, only when it runs, that its parameters cannot be used. */
export function invalidParameters(message: string): NonRetryable {
  return new NonRetryable(message, { name: 'InvalidParametersError' });
}
