// Sorts what the database driver throws: gone for a while, worth another try, or a real error.
// Used by everything that talks to Postgres and must outlive its restarts.
import { messageOf, UmbelError } from '../errors.ts';

/** Network errors, and what pg says in words alone. */
const NETWORK_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
]);
const DRIVER_MESSAGES =
  /^Connection terminated|^timeout exceeded when trying to connect|is not queryable$|^Query read timeout|^Client was closed/;

/**
 * Shutting down (57P01, 57P02), starting up (57P03), cancelled by a time limit or an administrator (57014), a standby that takes no
 * writes (25006), out of connections, memory or disk (class 53), input and output that failed (58030), and connection errors.
 */
const UNREACHABLE_STATES = /^(57P0[123]|57014|25006|53...|58030|08...)$/;

/** Nobody was there to send it to. */
const NEVER_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENOENT',
]);
const SQLSTATE = /^[0-9][0-9A-Z]{4}$/;
/** The server's own word that the connection ends; with any other it says that nothing was done. */
const BROKEN_STATES = /^(57P0[12]|08...)$/;

const LOCK_TIMEOUT = '55P03';

/** Deadlock, serialization failure, lock not available: the same statement may succeed when tried again. */
const RETRYABLE_STATES = new Set(['40P01', '40001', LOCK_TIMEOUT]);

/** Whether the database is not there for now, or not able to work, so that waiting may help. Looks through `cause` and `errors`. */
export function isUnreachable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = codeOf(error);
  if (NETWORK_CODES.has(code) || UNREACHABLE_STATES.test(code) || DRIVER_MESSAGES.test(error.message))
    return true;
  if (code === 'ENOENT' && 'syscall' in error && error.syscall === 'connect') return true;
  return error instanceof AggregateError ? error.errors.some(isUnreachable) : isUnreachable(error.cause);
}

/** Whether the server lets this user in no more: password, role, database, privileges to connect. */
export function isRefused(error: unknown): boolean {
  return error instanceof Error && (/^(28...|3D000)$/.test(codeOf(error)) || isRefused(error.cause));
}

/** Whether a statement may have been carried out although it ended with this error: the connection broke before the answer came. */
export function mayHaveBeenDone(error: unknown): boolean {
  if (!(error instanceof Error) || !isUnreachable(error)) return false;
  const code = codeOf(error);
  return NEVER_SENT.has(code) || error.message.startsWith('timeout exceeded when')
    ? false
    : BROKEN_STATES.test(code) || !SQLSTATE.test(code);
}

/** Whether the transaction lost against another one and may be run again as it is. */
export function isRetryable(error: unknown): boolean {
  return error instanceof Error && (RETRYABLE_STATES.has(codeOf(error)) || isRetryable(error.cause));
}

/** Whether a lock that somebody keeps was waited for in vain. */
export function isLockTimeout(error: unknown): boolean {
  return error instanceof Error && (codeOf(error) === LOCK_TIMEOUT || isLockTimeout(error.cause));
}

/** The catalogue's error for a connection that did not come about: DATABASE_UNREACHABLE or DATABASE_REFUSED. */
export function connectionError(database: string, cause: unknown): UmbelError {
  const code = isUnreachable(cause) ? 'DATABASE_UNREACHABLE' : 'DATABASE_REFUSED';
  return new UmbelError(code, { database, reason: messageOf(cause) }, { cause });
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}
