// The end of a watcher: what has not begun goes back at once, running programs get a grace time, and no row is left at Running.
import type { Logger } from '../log.ts';
import type { Database } from '../sql/database.ts';
import { returnTasks } from '../sql/leases.ts';
import { HANDED_BACK } from './begin.ts';
import type { Heartbeats } from './heartbeats.ts';
import { letGo, takeUnbegun, type Holding, type Holdings } from './holdings.ts';
import type { Loop } from './loop.ts';
import { leave, type Membership } from './membership.ts';

export interface DrainDeps {
  db: Database;
  holdings: Holdings;
  membership: Membership;
  heartbeats: Heartbeats;
  loop: Loop;
  /** Ends with the loop. */
  running: Promise<void>;
  log: Logger;
}

/** Milliseconds past the grace time after which unrecorded results are given up: the database is away. */
const HOPELESS = 10_000;

/** Ends a closed watcher; `grace` is in milliseconds. */
export async function drain(deps: DrainDeps, grace: number): Promise<void> {
  const { holdings, loop, membership, log } = deps;
  loop.close();
  await handBackUnbegun(deps);
  const overdue = setTimeout(() => stopRunning(holdings, HANDED_BACK), grace);
  const hopeless = setTimeout(() => loop.abandon(), grace + HOPELESS);
  await deps.running;
  clearTimeout(overdue);
  clearTimeout(hopeless);
  // What a call brought in that was under way when the loop was closed.
  await handBackUnbegun(deps);
  await deps.heartbeats.flush();
  await handBack(deps, [...holdings.returning], true);
  await leave(membership).catch((error: unknown) =>
    log.warn({ err: error }, 'could not sign off; the lease will run out'),
  );
}

/** Stops every running program with this error; their tasks are not recorded. */
export function stopRunning(holdings: Holdings, reason: Error): void {
  for (const { stop } of holdings.running) stop!.stop(reason);
}

async function handBackUnbegun(deps: DrainDeps): Promise<void> {
  const unbegun = takeUnbegun(deps.holdings);
  const returned = await handBack(deps, unbegun, false);
  // What is still in the books must stay there: a rescue finds it.
  if (returned === unbegun.length) for (const holding of unbegun) letGo(deps.holdings, holding);
}

async function handBack(
  { db, membership, log }: DrainDeps,
  holdings: Holding[],
  begun: boolean,
): Promise<number> {
  if (holdings.length === 0) return 0;
  const tasks = holdings.map(({ task }) => task);
  try {
    const returned = await returnTasks(db, membership.id, tasks, begun);
    log.info({ tasks: returned }, 'handed back');
    return returned;
  } catch (error) {
    log.warn({ err: error }, 'could not hand tasks back; others take them when the lease runs out');
    return 0;
  }
}
