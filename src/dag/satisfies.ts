// Which tasks are done with. Called wherever that is judged outside of SQL; `umbel_satisfies` says the same.

import { ExecStatus } from './vocabulary.ts';

/** Whether an execution whose tasks all stand so may end well: finished, or ignored for whatever reason but an abort. */
export function satisfies(status: ExecStatus, reason: string | null): boolean {
  if (status === ExecStatus.finish) return true;
  return status === ExecStatus.ignore && reason !== 'aborted';
}
