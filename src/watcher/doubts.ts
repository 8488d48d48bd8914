// What the books say this watcher holds, against what it knows of: the answer to a call may be lost after the call was carried out, or
// the call itself arrive long after it was given up. The loop compares after every failure, and once a lease besides.
import { returnStrays } from '../sql/leases.ts';
import { listKnown } from './holdings.ts';
import type { TurnDeps, TurnState } from './turn.ts';

/** Milliseconds after a failure: what it left under way at the database may still be carried out. */
const AFTER_FAILURE = [0, 1_000, 10_000];

/** The last call failed: whatever it may have brought in is looked for. */
export function doubt(state: TurnState, now: number): void {
  state.doubts = AFTER_FAILURE.map((ms) => now + ms);
}

/** Whether it is time to compare; no other call may be under way then. */
export function isDoubtDue({ doubts }: TurnState): boolean {
  return doubts[0]! <= performance.now();
}

/** Hands back what the books have and this watcher does not know of. Called while no call is under way. */
export async function resolveDoubts(deps: TurnDeps, state: TurnState): Promise<void> {
  const { db, membership, holdings, log } = deps;
  const returned = await returnStrays(db, membership.id, listKnown(holdings), state.claim);
  state.doubts.shift();
  if (state.doubts.length === 0) state.doubts.push(performance.now() + membership.record.lease);
  if (returned > 0) log.warn({ tasks: returned }, 'handed back tasks of a lost answer');
}
