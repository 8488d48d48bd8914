// The watcher's loop: turn after turn it records what ended, claims what runs next, and begins it. While one call is in flight, ended
// attempts gather for the next: batches of one when idle, of hundreds under load, with no timer.
import { setImmediate as immediate, setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../log.ts';
import { admitExecutions } from '../sql/admit.ts';
import { isWatcherGone, type AdvanceAnswer, type AdvanceCall } from '../sql/advance.ts';
import type { Database } from '../sql/database.ts';
import { isUnreachable } from '../sql/failures.ts';
import type { Hinter } from '../sql/hinter.ts';
import { returnStrays } from '../sql/leases.ts';
import type { Ahead } from './ahead.ts';
import { collect, countQueued, enqueue, listKnown, restore, take, type Holdings } from './holdings.ts';
import { rejoin, type Membership } from './membership.ts';
import type { ClaimPosition } from './position.ts';
import type { Prepare } from './prepare.ts';
import { advanceSafely } from './turn.ts';
import type { Waker } from './waker.ts';

export interface LoopDeps {
  db: Database;
  pool: string;
  workers: number;
  /** Milliseconds between looks when nothing wakes the loop. */
  pollInterval: number;
  membership: Membership;
  holdings: Holdings;
  ahead: Ahead;
  position: ClaimPosition;
  prepare: Prepare;
  waker: Waker;
  hinter: Hinter;
  beginNext: () => void;
  log: Logger;
}

export interface Loop {
  /** Runs until it is closed and everything that ended is recorded. */
  run(): Promise<void>;
  /** Claims nothing more. */
  close(): void;
  /** Ends `run` even with something unrecorded. */
  abandon(): void;
}

const RECORDS_A_TURN = 1_000;
const LONGEST_PAUSE = 5_000;

export function makeLoop(deps: LoopDeps): Loop {
  const { holdings, waker, log } = deps;
  const state: LoopState = { claim: 0, pause: 0, closed: false, abandoned: false, doubts: [] };
  const isDone = () =>
    state.abandoned || (state.closed && holdings.running.size + holdings.ended.length === 0);
  return {
    async run() {
      while (!isDone()) {
        // Programs that end at once do so before the turn, and are recorded together.
        await immediate();
        try {
          const sleep = await turn(deps, state);
          if (state.pause > 0) log.info('the database is back');
          state.pause = 0;
          if (!isDone()) await waker.sleep(sleep);
        } catch (error) {
          await recover(deps, state, error as Error);
        }
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

interface LoopState {
  /** Number of the last batch. */
  claim: number;
  /** Milliseconds waited after the last failure; 0 when all is well. */
  pause: number;
  closed: boolean;
  abandoned: boolean;
  /** Times at which to look for tasks that a lost answer gave us. */
  doubts: number[];
}

/** One turn; returns how long to sleep. */
async function turn(deps: LoopDeps, state: LoopState): Promise<number> {
  await resolveDoubts(deps, state);
  await prepareTasks(deps, []);
  const call = nextCall(deps, state);
  if (!call) return untilPoll(deps);
  const began = performance.now();
  const answer = await sendCall(deps, call);
  const drained = deps.position.learn({ ...call, began, now: performance.now() }, answer);
  take(deps.holdings, call.claim, answer.claimed);
  reportLate(deps, answer);
  admitFreed(deps, answer);
  hintOthers(deps, call, answer);
  await prepareTasks(deps, call.ended);
  return sleepAfter(deps, state, drained);
}

function nextCall(deps: LoopDeps, state: LoopState): AdvanceCall | undefined {
  const { holdings, ahead, workers, membership, pool, position } = deps;
  const held = holdings.running.size + countQueued(holdings);
  const slots = state.closed ? 0 : Math.max(0, workers - held);
  const want = state.closed ? 0 : Math.max(0, workers + ahead.size(workers) - held);
  // Topping up the queue by a few is not worth a call.
  const claims = slots > 0 || want > workers / 2;
  if (!claims && holdings.ended.length === 0) return undefined;
  const collected = collect(holdings, RECORDS_A_TURN);
  state.claim += 1;
  return {
    watcher: membership.id,
    pool,
    slots,
    want,
    claim: state.claim,
    ...position.next(performance.now()),
    ...collected,
  };
}

async function sendCall(deps: LoopDeps, call: AdvanceCall): Promise<AdvanceAnswer> {
  try {
    return await advanceSafely(deps.db, call);
  } catch (error) {
    restore(deps.holdings, call);
    throw error;
  }
}

async function prepareTasks(
  { holdings, prepare, beginNext }: LoopDeps,
  settled: AdvanceCall['ended'],
): Promise<void> {
  const unprepared = [...holdings.unprepared];
  if (unprepared.length === 0) return;
  const prepared = await prepare(
    unprepared.map(({ task }) => task),
    settled,
  );
  unprepared.forEach((holding, i) => enqueue(holdings, holding, prepared[i]!));
  beginNext();
}

function sleepAfter(deps: LoopDeps, state: LoopState, drained: boolean): number {
  const { holdings, workers } = deps;
  if (holdings.ended.length > 0) return 0;
  const full = holdings.running.size + countQueued(holdings) >= workers;
  return drained || full || state.closed ? untilPoll(deps) : 0;
}

/** Jittered, so that watchers started together do not look together. */
function untilPoll({ pollInterval }: LoopDeps): number {
  return pollInterval * (0.75 + Math.random() * 0.5);
}

function reportLate({ log }: LoopDeps, answer: AdvanceAnswer): void {
  for (const { flow, seq } of answer.late)
    log.warn(
      { execution: flow, seq },
      'late answer dropped: the task was edited, or is another watcher’s now',
    );
}

function admitFreed({ db, waker, log }: LoopDeps, answer: AdvanceAnswer): void {
  if (answer.freedPlaces.length === 0) return;
  admitExecutions(db, [...new Set(answer.freedPlaces)])
    .then((admitted) => admitted > 0 && waker.wake())
    .catch((error: unknown) => log.debug({ err: error }, 'admission put off'));
}

/** When this watcher is full and others live, they are told that there may be more. */
function hintOthers({ membership, hinter, pool }: LoopDeps, call: AdvanceCall, answer: AdvanceAnswer): void {
  if (membership.others === 0 || answer.claimed.length < call.want) return;
  hinter.hint(pool, answer.claimed.at(-1)?.priority ?? 0);
}

/** The answer to a call may have been lost after it was carried out: what it claimed is handed back once we can ask again. */
async function resolveDoubts({ db, membership, holdings, log }: LoopDeps, state: LoopState): Promise<void> {
  if (state.doubts.length === 0 || state.doubts[0]! > performance.now()) return;
  const returned = await returnStrays(db, membership.id, listKnown(holdings));
  state.doubts.shift();
  if (returned > 0) log.warn({ tasks: returned }, 'handed back tasks of a lost answer');
}

async function recover(deps: LoopDeps, state: LoopState, error: Error): Promise<void> {
  const { log } = deps;
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
