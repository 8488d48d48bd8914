// The watcher's loop: turn after turn it records what ended, claims what runs next, and begins it. While a call is under way, ended
// attempts gather for the next: batches of one when idle, of hundreds under load, with no timer. Under load recording and
// claiming go side by side, so that neither Postgres nor this process waits for the other.
import { setImmediate as immediate } from 'node:timers/promises';
import { isDoubtDue, resolveDoubts } from './doubts.ts';
import { countQueued, countUnrecorded } from './holdings.ts';
import { type Limiter, makeLimiter } from './limiter.ts';
import { recover, type Recovering } from './recover.ts';
import {
  handBackOverdue,
  hasOverdue,
  isWorthACall,
  makeTurn,
  measureRoom,
  PATIENCE,
  prepareTasks,
  type Purpose,
  type TurnDeps,
} from './turn.ts';
import type { Waker } from '../sql/waker.ts';

export interface LoopDeps extends Omit<TurnDeps, 'wake' | 'onSettled'> {
  /** Milliseconds between looks when nothing wakes the loop. */
  pollInterval: number;
  waker: Waker;
}

export interface Loop {
  /** Runs until it is closed and everything that ended is recorded. */
  run(): Promise<void>;
  /** Something may have become ready. */
  wake(): void;
  /** Something became ready that is more urgent than what is being claimed. */
  hurry(): void;
  /** Something limited became ready. */
  limit(): void;
  /** Claims nothing more. */
  close(): void;
  /** Ends `run` even with something unrecorded. */
  abandon(): void;
}

interface LoopState extends Recovering {
  /** Calls under way. */
  inFlight: number;
  /** Of them, those that only record and those that only claim: one of each at most. */
  lanes: Set<'settle' | 'claim'>;
  /** Something urgent waits for a call of its own, and whether one is under way. */
  hurried: boolean;
  hurrying: boolean;
  /** The count of `reasons` up to which a look found nothing more. */
  answered: number;
  abandoned: boolean;
}

/** Ended attempts, or room for so many, that make a second call worth its overhead. */
const SECOND_CALL = 100;

export function makeLoop(loopDeps: LoopDeps): Loop {
  const { waker } = loopDeps;
  const state = freshState(loopDeps);
  const wake = () => {
    state.reasons += 1;
    limiter.ask(false);
    waker.wake();
  };
  const deps = {
    ...loopDeps,
    wake,
    onSettled: (...turn: Parameters<Limiter['note']>) => limiter.note(...turn),
  };
  const limiter = makeLimiter(deps);
  return {
    wake,
    hurry() {
      state.hurried = true;
      wake();
    },
    run: () => run(deps, state, limiter),
    limit() {
      limiter.ask(true);
      waker.wake();
    },
    close() {
      state.closed = true;
      limiter.stop();
      waker.wake();
    },
    abandon() {
      state.abandoned = true;
      waker.wake();
    },
  };
}

async function run(deps: TurnDeps & LoopDeps, state: LoopState, limiter: Limiter): Promise<void> {
  while (!isDone(deps, state)) {
    // Programs that end at once do so before the next call, and are recorded together.
    await immediate();
    hurry(deps, state);
    limit(deps, state, limiter);
    launch(deps, state);
    if (isDone(deps, state)) break;
    if (await sleep(deps)) poll(state, limiter);
  }
}

function isDone({ holdings }: TurnDeps, state: LoopState): boolean {
  if (state.abandoned) return true;
  if (!state.closed || state.limiting) return false;
  return state.inFlight + holdings.running.size + countUnrecorded(holdings) === 0;
}

function freshState({ membership }: LoopDeps): LoopState {
  return {
    claim: 0,
    expected: 0,
    reserved: 0,
    limiting: false,
    closed: false,
    doubts: [performance.now() + membership.record.lease],
    inFlight: 0,
    lanes: new Set(),
    hurried: false,
    hurrying: false,
    reasons: 1,
    answered: 0,
    pause: 0,
    abandoned: false,
  };
}

/** Sends the next call when it is worth one; its end wakes the loop. */
function launch(deps: TurnDeps & LoopDeps, state: LoopState): void {
  const look = state.reasons !== state.answered;
  if (isBusy(deps, state)) return launchLanes(deps, state, look);
  if (state.inFlight > 0) return;
  // What is left unprepared when nothing is under way could not be looked up before.
  const isLeft = state.inFlight === 0 && deps.holdings.unprepared.size > 0;
  if (!(isLeft || isDoubtDue(state) || hasOverdue(deps) || isWorthACall(deps, state, look))) return;
  void fly(deps, state, look ? 'look' : 'record');
}

function poll(state: LoopState, limiter: Limiter): void {
  state.reasons += 1;
  limiter.ask(true);
}

/** Takes limited tasks, beside whatever else is under way. */
function limit(deps: TurnDeps & LoopDeps, state: LoopState, limiter: Limiter): void {
  if (state.limiting || state.pause > 0 || isDoubtDue(state) || !limiter.isDue(state)) return;
  const { id } = deps.membership;
  state.limiting = true;
  void limiter
    .fly(state)
    .catch((error: unknown) => recover(deps, state, error as Error, id))
    .finally(() => {
      state.limiting = false;
      deps.waker.wake();
    });
}

/** Sends a small call for what is urgent, whatever else is under way: the large ones take their time. */
function hurry(deps: TurnDeps & LoopDeps, state: LoopState): void {
  if (!state.hurried || state.hurrying || state.closed || state.pause > 0 || isDoubtDue(state)) return;
  state.hurried = false;
  state.hurrying = true;
  void fly(deps, state, 'urgent').finally(() => {
    state.hurrying = false;
  });
}

/** Much ended, or a call of those under load is under way; nothing else has to be seen to first. */
function isBusy({ holdings }: TurnDeps, state: LoopState): boolean {
  if (state.pause > 0 || isDoubtDue(state)) return false;
  return holdings.ended.length >= SECOND_CALL || state.lanes.size > 0;
}

/** Under load recording and claiming go side by side, each in calls of its own: neither waits for the other, nor for this process. */
function launchLanes(deps: TurnDeps & LoopDeps, state: LoopState, look: boolean): void {
  if (deps.holdings.ended.length >= SECOND_CALL) enter(deps, state, 'settle');
  if (look && measureRoom(deps, state, 'claim').want >= SECOND_CALL) enter(deps, state, 'claim');
  if (state.inFlight === 0) void fly(deps, state, look ? 'look' : 'record');
}

function enter(deps: TurnDeps & LoopDeps, state: LoopState, lane: 'settle' | 'claim'): void {
  if (state.lanes.has(lane) || state.inFlight > 1) return;
  state.lanes.add(lane);
  void fly(deps, state, lane).finally(() => state.lanes.delete(lane));
}

/** One flight, from what must come before the call to whatever the database answers; its end wakes the loop. */
async function fly(deps: TurnDeps & LoopDeps, state: LoopState, purpose: Purpose): Promise<void> {
  const { reasons } = state;
  const { id } = deps.membership;
  state.inFlight += 1;
  try {
    if (state.inFlight === 1 && !state.limiting && isDoubtDue(state)) await resolveDoubts(deps, state);
    await handBackOverdue(deps, state);
    await prepareTasks(deps, []);
    await deps.logs.storeClosed();
    const drained = await makeTurn(deps, state, purpose);
    if (!drained) state.reasons += 1;
    else if ((purpose === 'look' || purpose === 'claim') && state.reasons === reasons)
      state.answered = reasons;
    if (state.pause > 0) deps.log.info('the database is back');
    state.pause = 0;
  } catch (error) {
    await recover(deps, state, error as Error, id);
  } finally {
    state.inFlight -= 1;
    deps.waker.wake();
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
