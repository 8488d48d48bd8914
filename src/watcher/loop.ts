// The watcher's loop: turn after turn it records what ended, claims what runs next, and begins it. While a call is under way, ended
// attempts gather for the next: batches of one when idle, of hundreds under load, with no timer. Under load a second call is sent
// while the first is under way, so that neither Postgres nor this process waits for the other.
import { setImmediate as immediate, setTimeout as delay } from 'node:timers/promises';
import { isWatcherGone } from '../sql/advance.ts';
import { isUnreachable } from '../sql/failures.ts';
import { rejoin } from './membership.ts';
import { countQueued } from './holdings.ts';
import {
  handBackOverdue,
  hasOverdue,
  isDoubtDue,
  isWorthACall,
  makeTurn,
  PATIENCE,
  prepareTasks,
  resolveDoubts,
  type TurnDeps,
  type TurnState,
} from './turn.ts';
import type { Waker } from './waker.ts';

export interface LoopDeps extends Omit<TurnDeps, 'wake'> {
  /** Milliseconds between looks when nothing wakes the loop. */
  pollInterval: number;
  waker: Waker;
}

export interface Loop {
  /** Runs until it is closed and everything that ended is recorded. */
  run(): Promise<void>;
  /** Something may have become ready. */
  wake(): void;
  /** Claims nothing more. */
  close(): void;
  /** Ends `run` even with something unrecorded. */
  abandon(): void;
}

interface LoopState extends TurnState {
  /** Calls under way. */
  inFlight: number;
  /** Counts the reasons to look for ready tasks; `answered` is the count up to which a look found nothing more. */
  reasons: number;
  answered: number;
  /** Milliseconds waited after the last failure; 0 when all is well. */
  pause: number;
  abandoned: boolean;
}

/** Ended attempts that make a second call worth its overhead. */
const SECOND_CALL = 100;
const LONGEST_PAUSE = 5_000;

export function makeLoop(loopDeps: LoopDeps): Loop {
  const { holdings, waker } = loopDeps;
  const state: LoopState = {
    claim: 0,
    expected: 0,
    closed: false,
    doubts: [],
    inFlight: 0,
    reasons: 1,
    answered: 0,
    pause: 0,
    abandoned: false,
  };
  const wake = () => {
    state.reasons += 1;
    waker.wake();
  };
  const deps = { ...loopDeps, wake };
  const isDone = () =>
    state.abandoned || (state.closed && state.inFlight + holdings.running.size + holdings.ended.length === 0);
  return {
    wake,
    async run() {
      while (!isDone()) {
        // Programs that end at once do so before the next call, and are recorded together.
        await immediate();
        launch(deps, state);
        if (isDone()) break;
        if (await sleep(deps)) state.reasons += 1;
      }
    },
    close() {
      state.closed = true;
      waker.wake();
    },
    abandon() {
      state.abandoned = true;
      waker.wake();
    },
  };
}

/** Sends the next call when it is worth one; its end wakes the loop. */
function launch(deps: TurnDeps & LoopDeps, state: LoopState): void {
  const look = state.reasons !== state.answered;
  if (!mayLaunch(deps, state)) return;
  if (!(isDoubtDue(state) || hasOverdue(deps) || isWorthACall(deps, state, look))) return;
  state.inFlight += 1;
  void fly(deps, state, look).finally(() => {
    state.inFlight -= 1;
    deps.waker.wake();
  });
}

function mayLaunch({ holdings }: TurnDeps, { inFlight, pause, doubts }: LoopState): boolean {
  if (inFlight === 0) return true;
  return inFlight === 1 && pause === 0 && doubts.length === 0 && holdings.ended.length >= SECOND_CALL;
}

async function fly(deps: TurnDeps & LoopDeps, state: LoopState, look: boolean): Promise<void> {
  const { reasons } = state;
  try {
    await resolveDoubts(deps, state);
    await handBackOverdue(deps);
    await prepareTasks(deps, []);
    const drained = await makeTurn(deps, state, look);
    if (!drained) state.reasons += 1;
    else if (look && state.reasons === reasons) state.answered = reasons;
    if (state.pause > 0) deps.log.info('the database is back');
    state.pause = 0;
  } catch (error) {
    await recover(deps, state, error as Error);
  }
}

/** Sleeps until woken or until the next poll; true when a poll is due. */
async function sleep({ waker, holdings, pollInterval }: LoopDeps): Promise<boolean> {
  if (countQueued(holdings) === 0) return waker.sleep(untilPoll(pollInterval));
  await waker.sleep(PATIENCE + 1);
  return false;
}

/** Jittered, so that watchers started together do not look together. */
function untilPoll(pollInterval: number): number {
  return pollInterval * (0.75 + Math.random() * 0.5);
}

async function recover(deps: TurnDeps, state: LoopState, error: Error): Promise<void> {
  const { log } = deps;
  state.reasons += 1;
  if (isWatcherGone(error)) {
    await rejoin(deps.membership).catch((failure: unknown) =>
      log.debug({ err: failure }, 'could not join again yet'),
    );
    return;
  }
  if (isUnreachable(error)) {
    if (state.pause === 0) log.warn({ reason: error.message }, 'the database is away; trying again');
    const now = performance.now();
    state.doubts = [now, now + 1_000, now + 10_000];
  } else {
    log.error({ err: error }, 'turn failed; trying again');
  }
  state.pause = Math.min(LONGEST_PAUSE, state.pause * 2 || 100);
  await delay(state.pause * (0.5 + Math.random() * 0.5));
}
