// Turns failures of the database into errors of the catalogue, and says what one means for a batch.
// Called by register.ts, plans.ts and executions.ts around every statement.
import { isUmbelError, messageOf, UmbelError } from '../errors.ts';
import { isRefused, isRetryable, isUnreachable } from '../sql/failures.ts';
import { isRefusedValue, mayBeOneValue } from '../sql/refusals.ts';
import type { Verdict } from './batch.ts';

/** Settles like the work, with `DATABASE_UNREACHABLE` or `BODY_INVALID` in place of the driver's own error where one fits. */
export async function nameFailure<Result>(work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    throw toUmbelError(error);
  }
}

const TRIES = 5;

/** Tries again when somebody else's change came in between. */
export async function retryConflicts<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (attempt === TRIES || !isRetryable(error)) throw error;
    }
  }
}

function toUmbelError(cause: unknown): unknown {
  if (cause instanceof UmbelError) return cause;
  if (isUnreachable(cause) || isRefused(cause)) {
    return new UmbelError('DATABASE_UNREACHABLE', { reason: messageOf(cause) }, { cause });
  }
  if (isRefusedValue(cause)) {
    const message = `the database cannot store it: ${cause.message}`;
    return new UmbelError('BODY_INVALID', { problems: [{ path: '', message }] }, { cause });
  }
  return cause;
}

/** What the failure of a statement means for the items of its batch. */
export function judgeFailure(error: unknown): Verdict {
  if (isUmbelError(error, 'DATABASE_UNREACHABLE') || isUmbelError(error, 'DATABASE_REFUSED')) return 'all';
  if (isRetryable(error)) return 'again';
  return mayBeOneValue(error) ? 'one' : 'all';
}
