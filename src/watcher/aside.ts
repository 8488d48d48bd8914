// Ended attempts whose rows somebody else's transaction keeps locked: they are put aside, so that the others are recorded meanwhile.
import type { Logger } from '../log.ts';
import { findLockedExecutions } from '../sql/locks.ts';
import type { Database } from '../sql/database.ts';
import type { Holdings, Unrecorded } from './holdings.ts';

export interface AsideDeps {
  db: Database;
  holdings: Holdings;
  /** Wakes the loop. */
  wake: () => void;
  log: Logger;
}

/** Milliseconds between looks whether the locks are gone. */
const EVERY = 500;

/** Puts aside what waits for a lock, until that is gone; returns how many. */
export async function putAside(deps: AsideDeps): Promise<number> {
  const { holdings, log } = deps;
  const { locked, free } = await sort(deps, holdings.ended);
  if (locked.length === 0) return 0;
  for (const one of locked) holdings.aside.add(one);
  const known = new Set([...locked, ...free]);
  holdings.ended = [...free, ...holdings.ended.filter((one) => !known.has(one))];
  log.warn(
    { tasks: locked.length, execution: locked[0]!.record.flow, seq: locked[0]!.record.seq },
    'another transaction keeps rows of ended tasks locked: they are recorded when it ends',
  );
  lookLater(deps, locked);
  return locked.length;
}

function lookLater(deps: AsideDeps, waiting: Unrecorded[]): void {
  setTimeout(() => void look(deps, waiting), EVERY);
}

async function look(deps: AsideDeps, waiting: Unrecorded[]): Promise<void> {
  const { holdings } = deps;
  // Whatever is wrong with the database is the loop's business.
  const { locked, free } = await sort(deps, waiting).catch(() => ({ locked: [], free: waiting }));
  for (const one of free) if (holdings.aside.delete(one)) holdings.ended.push(one);
  if (free.length > 0) deps.wake();
  const left = locked.filter((one) => holdings.aside.has(one));
  if (left.length > 0) lookLater(deps, left);
}

async function sort(
  { db }: AsideDeps,
  all: Unrecorded[],
): Promise<{ locked: Unrecorded[]; free: Unrecorded[] }> {
  const flows = new Set(await findLockedExecutions(db, [...new Set(all.map(({ record }) => record.flow))]));
  const isLocked = ({ record }: Unrecorded) => flows.has(record.flow);
  return { locked: all.filter(isLocked), free: all.filter((one) => !isLocked(one)) };
}
