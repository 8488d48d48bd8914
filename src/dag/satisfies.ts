// Which ends of a task let its dependants go on. Called wherever a predecessor's row is judged outside of SQL;
// the SQL that releases dependants says the same.

import { ExecStatus } from './vocabulary.ts';

/** Reasons with which an ignored task satisfies its dependants; any other (`aborted`) holds them back. */
export const SATISFYING_REASONS: readonly string[] = [
  'operator',
  'allowed_failure',
  'not_selected',
  'skipped',
  'caught',
  'handled',
];

/** Whether a task in this status lets its dependants go on; ignored without a reason means by an operator. */
export function satisfies(status: ExecStatus, reason: string | null): boolean {
  if (status === ExecStatus.finish) return true;
  return status === ExecStatus.ignore && SATISFYING_REASONS.includes(reason ?? 'operator');
}

/** Whether a task was skipped: it satisfies, but a task all of whose predecessors were skipped is skipped too. */
export function isSkipped(status: ExecStatus, reason: string | null): boolean {
  return status === ExecStatus.ignore && reason === 'skipped';
}
