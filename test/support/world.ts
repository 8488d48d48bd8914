// Plays a script twice at once: on Postgres and on the pure model. The model test compares the two after every move.
import { ExecStatus } from '../../src/dag/vocabulary.ts';
import { admitExecutions } from '../../src/sql/admit.ts';
import { type Claimed, HEAD } from '../../src/sql/advance.ts';
import type { Ended } from '../../src/sql/ended.ts';
import type { Database } from '../../src/sql/database.ts';
import { isRetryable } from '../../src/sql/failures.ts';
import { rescueTasks, returnStrays, returnTasks } from '../../src/sql/leases.ts';
import { fireTimers } from '../../src/sql/timers.ts';
import {
  admitOldest,
  blank,
  listClaimable,
  type ModelExecution,
  rowOf,
  runnableKeys,
  settleAll,
} from './ledger.ts';
import { countWaitingOn } from './model.ts';
import { controlBoth } from './controller.ts';
import type { Ending, Move, Script, Turn } from './moves.ts';
import { beginWaits, signalBoth, timeOutAll } from './signals.ts';
import { editByHand } from './operator.ts';
import {
  awaiting,
  failed,
  finished,
  FURTHER_ON,
  joinWatcher,
  type PlannedFlow,
  planFlow,
  registerOne,
  type TestWatcher,
  toBeRetried,
} from './runs.ts';

interface Hand {
  watcher: TestWatcher;
  held: Claimed[];
  /** Sent in a call whose answer was lost: sent again with the next. */
  pending: Ended[];
  strayed: boolean;
}
export interface World {
  db: Database;
  executions: ModelExecution[];
  hands: Hand[];
  /** The flow with `max_running`. */
  flow: string;
  maxRunning: number;
}

/** Registers an execution of each graph and joins the watchers. */
export async function beginWorld(db: Database, script: Script): Promise<World> {
  const executions: ModelExecution[] = [];
  for (const steps of script.graphs)
    executions.push(
      await beginExecution(
        db,
        await planFlow(db, steps, { failFast: script.failFast }),
        null,
        script.failFast,
      ),
    );
  const limited = await planFlow(db, script.limited, { maxRunning: script.maxRunning });
  for (let n = 0; n < 3; n++)
    executions.push(await beginExecution(db, limited, n < script.maxRunning ? 1 : 0));
  const hands: Hand[] = [];
  for (let n = 0; n < script.watchers; n++) hands.push(await joinHand(db));
  return { db, executions, hands, flow: limited.flow, maxRunning: script.maxRunning };
}

async function beginExecution(
  db: Database,
  planned: PlannedFlow,
  place: number | null,
  failFast = false,
): Promise<ModelExecution> {
  return {
    id: await registerOne(db, planned),
    plan: planned.plan.map(({ execSeq, depends, edges, need }) => ({ execSeq, depends, edges, need })),
    wireOn: new Map(planned.plan.map(({ execSeq, wireOn }) => [execSeq, wireOn])),
    rows: new Map(planned.plan.map(({ execSeq }) => [execSeq, { status: ExecStatus.wait, reason: null }])),
    books: new Map(planned.plan.map(({ execSeq }) => [execSeq, blank()])),
    place,
    paused: false,
    failFast,
    signals: [],
  };
}

/** Leaves nothing that the next world's watchers could take. */
export async function endWorld({ db }: World): Promise<void> {
  for (const table of [
    'kr_task_stat',
    'kr_timer',
    'kr_wait',
    'kr_signal',
    'kr_flow_stat',
    'kr_claim',
    'kr_watcher',
  ])
    await db.pool.query(`delete from ${table}`);
}

async function joinHand(db: Database): Promise<Hand> {
  return { watcher: await joinWatcher(db), held: [], pending: [], strayed: false };
}

/** Makes one move on both sides; returns complaints about the answers. */
export async function makeMove(world: World, move: Move): Promise<string[]> {
  if (move.kind === 'advance') return advanceTogether(world, move.turns);
  if (move.kind === 'return') return giveBack(world, move);
  if (move.kind === 'rescue') return rescueFrom(world, handOf(world, move.watcher));
  if (move.kind === 'admit') return admit(world);
  if (move.kind === 'fire') return fire(world);
  if (move.kind === 'signal') return signalBoth(world, move);
  if (move.kind === 'control') {
    const complaints = await controlBoth(world.db, world.executions, move);
    settleAll(world);
    return complaints;
  }
  await editByHand(world.db, world.executions, move.edits);
  settleAll(world);
  return [];
}

/** Finishes whatever can still be run. */
export async function runToQuiescence(world: World): Promise<string[]> {
  const complaints: string[] = [];
  const turn = { outcomes: [], slots: 100, want: 100, urgent: 19, head: false, lost: false };
  for (let more = true; more;) {
    more = false;
    complaints.push(...(await admit(world)), ...(await fire(world)));
    for (const watcher of world.hands.keys()) {
      complaints.push(...(await advanceTogether(world, [{ ...turn, watcher }])));
      more ||= world.hands[watcher]!.held.length > 0;
    }
  }
  return complaints;
}

async function fire(world: World): Promise<string[]> {
  for (const { rows } of world.executions) for (const row of rows.values()) row.timed = false;
  timeOutAll(world);
  settleAll(world);
  await world.db.pool.query(`update kr_timer set due_ts = now() - interval '1 second'`);
  const { next } = await fireTimers(world.db, 1_000);
  return next === undefined ? [] : ['a timer was left'];
}

async function admit(world: World): Promise<string[]> {
  const waiting = world.executions.filter(({ place }) => place === 0);
  admitOldest(world, world.maxRunning);
  const expected = waiting.filter(({ place }) => place === 1).length;
  const admitted = await admitExecutions(world.db, [world.flow]);
  return admitted === expected ? [] : [`admitted ${admitted} executions, expected ${expected}`];
}

const handOf = ({ hands }: World, pick: number): Hand => hands[pick % hands.length]!;

async function advanceTogether(world: World, turns: Turn[]): Promise<string[]> {
  const parts = [...new Map(turns.map((turn) => [handOf(world, turn.watcher), turn]))];
  const complaints: string[] = [];
  for (const [hand] of parts) complaints.push(...(await returnStraysOf(world, hand)));
  const calls = parts.map(([hand, turn]) => ({
    hand,
    turn,
    ended: endTasks(world, hand, turn, parts.length === 1),
  }));
  const answers = await Promise.all(calls.map(({ hand, turn, ended }) => callUntilDone(hand, turn, ended)));
  for (const [at, { hand, ended }] of calls.entries())
    complaints.push(...settle(world, hand, ended, answers[at]!.late, calls.length === 1));
  const able = runnableKeys(world);
  const want = calls[0]!.turn.want;
  const taken = answers.reduce((sum, { claimed }) => sum + claimed.length, 0);
  if (calls.length === 1 && taken !== Math.min(want, able.size))
    complaints.push(`took ${taken} of ${able.size} runnable tasks with want ${want}`);
  for (const [at, { hand, turn, ended }] of calls.entries()) {
    complaints.push(...takeTasks(world, hand, answers[at]!.claimed, able));
    hand.pending = turn.lost ? ended : [];
    if (turn.lost) hand.strayed = true;
    else hand.held.push(...answers[at]!.claimed);
  }
  return complaints;
}

/** A call that loses a deadlock changed nothing and is made again. */
async function callUntilDone(hand: Hand, { slots, want, urgent, head }: Turn, ended: Ended[]) {
  for (;;) {
    try {
      return await hand.watcher.call({ slots, want, urgent, from: head ? HEAD : FURTHER_ON, ended });
    } catch (error) {
      if (!isRetryable(error)) throw error;
    }
  }
}

/**
 * Those of the watcher's tasks that end with this call, and those of which it does not know whether they did. Of calls at once none
 * retries or waits: whether a task whose predecessor ends meanwhile waits for a time as well, and who of two gets a
 * signal, depends on who comes first. Nor is anything skipped or handled by them, since what follows from both depends on that too.
 */
function endTasks(world: World, hand: Hand, { outcomes }: Turn, alone: boolean): Ended[] {
  const ended = [...hand.pending];
  hand.held = hand.held.filter((task, at) => {
    const outcome = outcomes[at] ?? 'finished';
    const execution = world.executions.find(({ id }) => id === task.flow)!;
    const wireOn = execution.wireOn.get(Number(task.seq)) ?? 0;
    const plain = outcome === 'finished' || (outcome === 'failed' && wireOn === 0);
    if (outcome === 'running') return true;
    ended.push({ ...endTask(execution, task, alone || plain ? outcome : 'finished'), wireOn });
    return false;
  });
  return ended;
}

function endTask({ plan }: ModelExecution, task: Claimed, ending: Ending): Ended {
  const target = plan.find(({ depends }) => depends.includes(Number(task.seq)));
  switch (ending) {
    case 'failed':
      return failed(task);
    case 'retry':
      return toBeRetried(task);
    case 'go':
    case 'late':
      return awaiting(task, ending, ending === 'late');
    case 'allowed_failure':
    case 'skipped':
    case 'caught':
      return { ...failed(task), status: 'ignored', reason: ending };
    case 'goto':
      return {
        ...failed(task),
        status: 'ignored',
        reason: 'caught',
        chosen: target ? [`${target.execSeq}`] : [],
      };
    case 'finished':
    case 'running':
      return finished(task);
  }
}

const TARGETS = {
  finished: ExecStatus.finish,
  failed: ExecStatus.suspend,
  ignored: ExecStatus.ignore,
  waiting: ExecStatus.wait,
  outside: ExecStatus.suspend,
};

/** Not when it waits for a predecessor besides, nor when an answer that is sent again finds it ready. */
function mayWaitForTime(world: World, { flow, seq }: Ended): boolean {
  const execution = world.executions.find(({ id }) => id === flow);
  const task = execution?.plan.find(({ execSeq }) => execSeq === Number(seq));
  if (!execution || !task) return false;
  return countWaitingOn(task, execution.rows) === 0 && !listClaimable(execution).includes(task.execSeq);
}

/** When others call at once, they may have taken what is sent again to wait: whether that comes late is anybody's guess. */
function settle(
  world: World,
  hand: Hand,
  ended: Ended[],
  late: { flow: string; seq: string }[],
  alone: boolean,
): string[] {
  const expected: string[] = [];
  const timed = ended.filter((task) => task.status === 'waiting' && mayWaitForTime(world, task));
  for (const { flow, seq, attempt, status, reason, chosen } of ended) {
    const target = TARGETS[status];
    const { row, books } = rowOf(world, flow, seq);
    const ours = books?.watcher === hand.watcher.id && books.attempt === attempt;
    if (row && ours && row.status === ExecStatus.running) {
      row.status = target;
      row.reason = status === 'waiting' ? null : reason;
      row.chosen = chosen?.map(Number) ?? null;
      if (status === 'waiting') books.retried += 1;
    } else if (!row || !ours || row.status !== target) expected.push(`${flow}/${seq}`);
  }
  for (const { flow, seq, attempt } of timed) {
    const { row, books } = rowOf(world, flow, seq);
    if (row?.status === ExecStatus.wait && books?.watcher === hand.watcher.id && books.attempt === attempt)
      row.timed = true;
  }
  beginWaits(world, hand.watcher.id, ended);
  settleAll(world);
  const open = new Set(alone ? [] : ended.filter(mayGoOn).map(({ flow, seq }) => `${flow}/${seq}`));
  const told = late.map(({ flow, seq }) => `${flow}/${seq}`);
  const judged = (keys: string[]) =>
    keys
      .filter((key) => !open.has(key))
      .toSorted()
      .join();
  return judged(told) === judged(expected) ? [] : [`late: told ${told.join()}, expected ${expected.join()}`];
}

const mayGoOn = ({ status }: Ended) => status === 'waiting' || status === 'outside';

function takeTasks(world: World, hand: Hand, claimed: Claimed[], able: Set<string>): string[] {
  const complaints: string[] = [];
  for (const { flow, seq, attempt } of claimed) {
    if (!able.delete(`${flow}/${seq}`)) complaints.push(`${flow}/${seq} was claimed but may not run`);
    const { row, books } = rowOf(world, flow, seq);
    if (!row || !books) continue;
    row.status = ExecStatus.running;
    books.watcher = hand.watcher.id;
    books.attempt += 1;
    if (books.attempt !== attempt)
      complaints.push(`${flow}/${seq} is attempt ${attempt}, expected ${books.attempt}`);
  }
  return complaints;
}

async function returnStraysOf(world: World, hand: Hand): Promise<string[]> {
  if (!hand.strayed) return [];
  hand.strayed = false;
  const known = [...hand.held, ...hand.pending];
  const strays = listHeld(world, hand).filter(
    ({ id, seq }) => !known.some((task) => task.flow === id && task.seq === `${seq}`),
  );
  for (const { id, seq } of strays) putBack(world, id, `${seq}`, false);
  settleAll(world);
  const returned = await returnStrays(world.db, hand.watcher.id, known);
  return returned === strays.length ? [] : [`returned ${returned} strays of ${strays.length}`];
}

async function giveBack(world: World, move: Extract<Move, { kind: 'return' }>): Promise<string[]> {
  const hand = handOf(world, move.watcher);
  const tasks = hand.held.filter((_, at) => move.outcomes[at]);
  hand.held = hand.held.filter((task) => !tasks.includes(task));
  let expected = 0;
  for (const { flow, seq, attempt } of tasks) {
    const { row, books } = rowOf(world, flow, seq);
    if (row?.status !== ExecStatus.running || books?.watcher !== hand.watcher.id || books.attempt !== attempt)
      continue;
    putBack(world, flow, seq, move.begun);
    expected += 1;
  }
  settleAll(world);
  const returned = await returnTasks(world.db, hand.watcher.id, tasks, move.begun);
  return returned === expected ? [] : [`returned ${returned} tasks of ${expected}`];
}

function putBack(world: World, flow: string, seq: string, begun: boolean): void {
  const { row, books } = rowOf(world, flow, seq);
  row!.status = ExecStatus.wait;
  books!.watcher = null;
  if (!begun) books!.attempt -= 1;
}

async function rescueFrom(world: World, hand: Hand): Promise<string[]> {
  const id = hand.watcher.id;
  const lost = listHeld(world, hand);
  for (const { id, seq } of lost) {
    const { row, books } = rowOf(world, id, `${seq}`);
    books!.lost += 1;
    books!.watcher = null;
    row!.status = books!.lost < 3 ? ExecStatus.wait : ExecStatus.suspend;
    row!.reason = books!.lost < 3 ? null : 'failed';
  }
  settleAll(world);
  await world.db.pool.query(
    `update kr_watcher set lease_until = now() - interval '1 second' where watcher_id = $1`,
    [id],
  );
  const rescued = await rescueTasks(world.db, 3);
  world.hands[world.hands.indexOf(hand)] = await joinHand(world.db);
  return rescued.length === lost.length ? [] : [`rescued ${rescued.length} tasks of ${lost.length}`];
}

function listHeld({ executions }: World, { watcher }: Hand): { id: string; seq: number }[] {
  return executions.flatMap(({ id, rows, books }) =>
    [...rows].flatMap(([seq, row]) =>
      row.status === ExecStatus.running && books.get(seq)!.watcher === watcher.id ? [{ id, seq }] : [],
    ),
  );
}
