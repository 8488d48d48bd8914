// Executions that are to be started because others failed (`onFailure`). Called by timekeeper.ts; of several watchers each may try, since
// an execution is registered once for its id.
import type { Logger } from '../log.ts';
import { messageOf } from '../errors.ts';
import type { Database } from '../sql/database.ts';
import { dropStart, type OwedStart, readStarts } from '../sql/starts.ts';
import { isPassing, type StartExecution } from './children.ts';

export interface OwedDeps {
  db: Database;
  /** Absent: it is left to others. */
  startExecution: StartExecution | undefined;
  log: Pick<Logger, 'warn'>;
}

export async function startOwed({ db, startExecution, log }: OwedDeps): Promise<void> {
  if (startExecution === undefined) return;
  for (const start of await readStarts(db)) {
    try {
      await startExecution(requestOf(start));
    } catch (error) {
      if (isPassing(error)) return;
      log.warn(
        { execution: start.failed, flow: start.flow },
        `the flow for its failure was not started: ${messageOf(error)}`,
      );
    }
    await dropStart(db, start.failed);
  }
}

function requestOf({ id, failed, tenant, flow, input }: OwedStart) {
  const trigger = { kind: 'failure', execution: failed };
  return { id, flow, tenant, input, idempotencyKey: `failure:${failed}`.slice(0, 256), trigger };
}
