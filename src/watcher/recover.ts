// After a call that failed: joins again, puts aside what somebody keeps locked, or waits longer each time. Called by loop.ts.
import { setTimeout as delay } from 'node:timers/promises';
import { isWatcherGone } from '../sql/advance.ts';
import { isLockTimeout, isUnreachable } from '../sql/failures.ts';
import { putAside } from './aside.ts';
import { doubt } from './doubts.ts';
import { rejoin } from './membership.ts';
import type { TurnDeps, TurnState } from './turn.ts';

const LONGEST_PAUSE = 2_000;

/** What the loop has to know of failures. */
export interface Recovering extends TurnState {
  /** Counts the reasons to look for ready tasks. */
  reasons: number;
  /** Milliseconds waited after the last failure; 0 when all is well. */
  pause: number;
}

/** `id` is who this watcher was when the flight began. */
export async function recover(deps: TurnDeps, state: Recovering, error: Error, id: number): Promise<void> {
  const { log, membership } = deps;
  state.reasons += 1;
  doubt(state, performance.now());
  if (isWatcherGone(error)) {
    if (membership.id !== id) return;
    await rejoin(membership).catch((failure: unknown) =>
      log.debug({ err: failure }, 'could not join again yet'),
    );
    return;
  }
  if (isLockTimeout(error) && (await putAside(deps).catch(() => 0)) > 0) return;
  if (!isUnreachable(error)) log.error({ err: error }, 'turn failed; trying again');
  else if (state.pause === 0) log.warn({ reason: error.message }, 'the database is away; trying again');
  state.pause = Math.min(LONGEST_PAUSE, state.pause * 2 || 100);
  await delay(state.pause * (0.5 + Math.random() * 0.5));
}
