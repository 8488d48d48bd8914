// Stops programs whose tasks were taken away: aborted, edited or rerun, by whatever process. While something runs, the database is asked
// about just these tasks; a watcher at rest asks nothing. Started and stopped by watcher.ts.
import type { Logger } from '../log.ts';
import type { Database } from '../sql/database.ts';
import { isUnreachable } from '../sql/failures.ts';
import { findTakenAway } from '../sql/leases.ts';
import { drop, listHeld, type Holding, type Holdings } from './holdings.ts';
import type { Membership } from './membership.ts';

export interface CancelDeps {
  db: Database;
  holdings: Holdings;
  membership: Membership;
  /** Something that was held is not any more. */
  onDropped: () => void;
  log: Logger;
}

/** Half of the second within which an abort reaches a program. */
const EVERY = 500;

/** Given to programs whose tasks are no longer their watcher's; what they answer is not recorded. */
export const TAKEN_AWAY = Object.assign(
  new Error('the task was taken away: it was aborted, edited or rerun while it ran'),
  { name: 'CancelledError' },
);

/** Asks from now on; returns how to stop. */
export function watchForCancels(deps: CancelDeps): () => void {
  let busy = false;
  const timer = setInterval(() => {
    if (busy || deps.holdings.running.size === 0) return;
    busy = true;
    cancelTakenAway(deps)
      .catch((error: unknown) => report(deps, error))
      .finally(() => (busy = false));
  }, EVERY);
  return () => clearInterval(timer);
}

async function cancelTakenAway(deps: CancelDeps): Promise<void> {
  const { db, holdings, membership } = deps;
  const held = listHeld(holdings);
  const tasks = held.map(({ task }) => task);
  const gone = await findTakenAway(db, membership.id, tasks);
  for (const at of gone) cancel(deps, held[at]!);
  if (gone.length > 0) deps.onDropped();
}

function cancel({ holdings, log }: CancelDeps, holding: Holding): void {
  const { flow, seq, attempt } = holding.task;
  if (holdings.running.has(holding)) holding.stop!.stop(TAKEN_AWAY);
  else if (!drop(holdings, holding)) return;
  log.info(
    { execution: flow, seq, attempt },
    'task stopped: it was aborted, edited or rerun while it was held',
  );
}

function report({ log }: CancelDeps, error: unknown): void {
  if (isUnreachable(error)) log.debug({ err: error }, 'the database is away');
  else log.error({ err: error }, 'could not ask for tasks that were taken away; trying again');
}
