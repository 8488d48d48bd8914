// One turn of the loop: records what ended, claims what runs next, and begins it.
import type { Logger } from '../log.ts';
import { admitExecutions } from '../sql/admit.ts';
import type { AdvanceAnswer, AdvanceCall } from '../sql/advance.ts';
import type { Database } from '../sql/database.ts';
import type { Hinter } from '../sql/hinter.ts';
import { returnTasks } from '../sql/leases.ts';
import type { Ahead } from './ahead.ts';
import { doubt } from './doubts.ts';
import {
  collect,
  type Collected,
  confirm,
  countQueued,
  enqueue,
  isOverdue,
  letGo,
  listClosed,
  restore,
  take,
  takeUnbegun,
  type Holdings,
} from './holdings.ts';
import type { LogKeeper } from './log-keeper.ts';
import type { Membership } from './membership.ts';
import type { ClaimPosition } from './position.ts';
import type { Prepare } from './prepare.ts';
import { advanceSafely } from './send.ts';

export interface TurnDeps {
  db: Database;
  pool: string;
  workers: number;
  membership: Membership;
  holdings: Holdings;
  ahead: Ahead;
  position: ClaimPosition;
  prepare: Prepare;
  hinter: Hinter;
  /** Keeps what programs log. */
  logs: LogKeeper;
  /** Wakes the loop to look for ready tasks. */
  wake: () => void;
  beginNext: () => void;
  /** Tasks were claimed, and attempts recorded. */
  onSettled: (claimed: AdvanceAnswer['claimed'], ended: AdvanceCall['ended']) => void;
  /** It is recorded that a task waits for a time, in milliseconds from now. */
  onDelayed: (delay: number) => void;
  log: Logger;
  /** Told of every turn, for metrics. */
  onTurn?: OnTurn | undefined;
}

/** A call, its answer, and the milliseconds between. */
export type OnTurn = (call: AdvanceCall, answer: AdvanceAnswer, ms: number) => void;

/** What the turns of one loop share. */
export interface TurnState {
  /** Number of the last batch. */
  claim: number;
  /** Tasks asked for by the calls under way. */
  expected: number;
  /** Workers that are left to limited tasks. */
  reserved: number;
  /** A call for limited tasks is under way. */
  limiting: boolean;
  /** Claims nothing more. */
  closed: boolean;
  /** Times at which to compare what the books say with what is held, the next first; never empty. See doubts.ts. */
  doubts: number[];
}

/** Most that one call takes in or records: larger ones hold up what is urgent. */
const BATCH = 500;

/**
 * look: something may be ready. record: nothing is. urgent: something came that is more urgent than all that is held; it waits for no
 * batch. Under load `look` comes in two: settle records and hands over, claim claims.
 */
export type Purpose = 'look' | 'record' | 'urgent' | 'settle' | 'claim';

/** Whether a call would record or bring anything. `look`: something may be ready. */
export function isWorthACall(deps: TurnDeps, state: TurnState, look: boolean): boolean {
  if (deps.holdings.ended.length > 0) return true;
  const { slots, want } = measureRoom(deps, state, look ? 'look' : 'record');
  // Topping up the queue by a few is not worth a call.
  return slots > 0 || want > deps.workers / 2;
}

/** Makes one call and begins what it brings. True when nothing ready is left, as far as it could see. */
export async function makeTurn(deps: TurnDeps, state: TurnState, purpose: Purpose): Promise<boolean> {
  const collected = collect(deps.holdings, purpose === 'urgent' || purpose === 'claim' ? 0 : BATCH);
  const call = nextCall(deps, state, purpose, collected);
  const began = performance.now();
  const answer = await send(deps, state, call, collected);
  const now = performance.now();
  deps.onTurn?.(call, answer, now - began);
  // Not before they are recorded: until then there is nothing that could be due.
  // Declared dead meanwhile: what the call brought in is for a rescue.
  if (call.watcher !== deps.membership.id) return false;
  const drained = deps.position.learn({ ...call, began, now }, answer);
  take(deps.holdings, call.claim, answer.claimed, now);
  reportLate(deps, answer);
  for (const { delay } of call.ended) if (delay !== null) deps.onDelayed(delay);
  admitFreed(deps, answer);
  if (!drained) hintOthers(deps, answer);
  deps.onSettled(answer.claimed, call.ended);
  await prepareTasks(deps, call.ended);
  return drained;
}

function nextCall(deps: TurnDeps, state: TurnState, purpose: Purpose, collected: Collected): AdvanceCall {
  const { membership, pool, position } = deps;
  state.claim += 1;
  return {
    watcher: membership.id,
    pool,
    claim: state.claim,
    ...measureRoom(deps, state, purpose),
    ...position.next(performance.now()),
    closed: listClosed(collected),
    ended: collected.unrecorded.map(({ record }) => record),
  };
}

/** Tasks that could begin at once, and all that may be taken in. */
export function measureRoom(
  deps: TurnDeps,
  state: TurnState,
  purpose: Purpose,
): { slots: number; want: number; most: number } {
  const { workers, ahead } = deps;
  if (state.closed || purpose === 'record') return { slots: 0, want: 0, most: 0 };
  const room = countFree(deps, state) - state.reserved;
  const slots = Math.max(0, room);
  if (state.reserved > 0) return { slots, want: slots, most: BATCH };
  if (purpose === 'urgent') return { slots, want: workers, most: workers };
  const want = Math.max(0, room + ahead.size(workers));
  return purpose === 'settle'
    ? { slots, want: Math.min(want, BATCH), most: 0 }
    : { slots, want, most: BATCH };
}

/** Workers without a task; fewer than 0 when tasks were claimed ahead. */
export function countFree({ holdings, workers }: TurnDeps, { expected }: TurnState): number {
  return workers - holdings.running.size - countQueued(holdings) - expected;
}

async function send(
  { db, holdings, membership }: TurnDeps,
  state: TurnState,
  call: AdvanceCall,
  collected: Collected,
): Promise<AdvanceAnswer> {
  const expected = call.most === 0 ? call.want : Math.min(call.want, call.most);
  state.expected += expected;
  try {
    const answer = await advanceSafely(db, call);
    confirm(holdings, collected, call.closed);
    return answer;
  } catch (error) {
    // What another watcher was to record, which this one was before it joined again, is late whatever it was.
    if (call.watcher === membership.id) restore(holdings, collected);
    throw error;
  } finally {
    state.expected -= expected;
  }
}

/** Finds out what the tasks taken in are to run, and begins them. Also called for tasks whose looking up failed before. */
export async function prepareTasks(
  { holdings, prepare, beginNext }: TurnDeps,
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

/** Milliseconds that a task claimed ahead waits here at most; another watcher may have workers free. */
export const PATIENCE = 100;

export function hasOverdue({ holdings }: TurnDeps): boolean {
  return isOverdue(holdings, performance.now() - PATIENCE);
}

/** Hands back what was claimed ahead and did not begin soon, because programs take longer than they used to. */
export async function handBackOverdue(deps: TurnDeps, state: TurnState): Promise<void> {
  if (!hasOverdue(deps)) return;
  const { db, pool, membership, holdings, ahead, hinter, log } = deps;
  const overdue = takeUnbegun(holdings);
  ahead.forget();
  const tasks = overdue.map(({ task }) => task);
  const returned = await returnTasks(db, membership.id, tasks, false);
  log.debug({ tasks: returned }, 'handed back what waited here');
  // A batch that is closed too early is out of every rescue's sight: what is still in the books, it finds by comparing.
  if (returned < overdue.length) doubt(state, performance.now());
  else for (const holding of overdue) letGo(holdings, holding);
  hinter.hint(pool, Math.min(...overdue.map(({ task }) => task.priority)));
}

function reportLate({ log }: TurnDeps, answer: AdvanceAnswer): void {
  for (const { flow, seq } of answer.late) {
    log.warn(
      { execution: flow, seq },
      'late answer dropped: the task was edited, or is another watcher’s now',
    );
  }
}

function admitFreed({ db, wake, log }: TurnDeps, answer: AdvanceAnswer): void {
  if (answer.freedPlaces.length === 0) return;
  admitExecutions(db, [...new Set(answer.freedPlaces)])
    .then((admitted) => admitted > 0 && wake())
    .catch((error: unknown) => log.debug({ err: error }, 'admission put off'));
}

/** Others are told when there may be more than this watcher took. */
function hintOthers({ membership, hinter, pool }: TurnDeps, answer: AdvanceAnswer): void {
  if (membership.others > 0) hinter.hint(pool, answer.claimed.at(-1)?.priority ?? 0);
}
