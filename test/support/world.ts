// Plays a script twice at once: on Postgres and on the pure model. The model test compares the two after every move.
import type { PoolClient } from 'pg';
import { ExecStatus } from '../../src/dag/vocabulary.ts';
import { type Claimed, type Ended, HEAD } from '../../src/sql/advance.ts';
import type { Database } from '../../src/sql/database.ts';
import { isRetryable } from '../../src/sql/failures.ts';
import { rescueTasks, returnStrays, returnTasks } from '../../src/sql/leases.ts';
import { listRunnable, type ModelTask, settleDown, type TaskState } from './model.ts';
import type { Edit, Move, Script, Turn } from './moves.ts';
import {
  failed,
  finished,
  FURTHER_ON,
  joinWatcher,
  planFlow,
  registerOne,
  type TestWatcher,
} from './runs.ts';

/** What the engine's books say of a row besides its status. */
interface Books {
  attempt: number;
  lost: number;
  watcher: number | null;
}
interface ModelExecution {
  id: string;
  plan: ModelTask[];
  rows: Map<number, TaskState>;
  books: Map<number, Books>;
}
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
}

const blank = (): Books => ({ attempt: 0, lost: 0, watcher: null });

/** Registers an execution of each graph and joins the watchers. */
export async function beginWorld(db: Database, script: Script): Promise<World> {
  const executions: ModelExecution[] = [];
  for (const steps of script.graphs) {
    const planned = await planFlow(db, steps);
    executions.push({
      id: await registerOne(db, planned),
      plan: planned.plan.map(({ execSeq, depends }) => ({ execSeq, depends })),
      rows: new Map(planned.plan.map(({ execSeq }) => [execSeq, { status: ExecStatus.wait, reason: null }])),
      books: new Map(planned.plan.map(({ execSeq }) => [execSeq, blank()])),
    });
  }
  const hands: Hand[] = [];
  for (let n = 0; n < script.watchers; n++) hands.push(await joinHand(db));
  return { db, executions, hands };
}

/** Leaves nothing that the next world's watchers could take. */
export async function endWorld({ db }: World): Promise<void> {
  for (const table of ['kr_task_stat', 'kr_flow_stat', 'kr_claim', 'kr_watcher'])
    await db.pool.query(`delete from ${table}`);
}

async function joinHand(db: Database): Promise<Hand> {
  return { watcher: await joinWatcher(db), held: [], pending: [], strayed: false };
}

/** Makes one move on both sides; returns complaints about the answers. */
export async function makeMove(world: World, move: Move): Promise<string[]> {
  switch (move.kind) {
    case 'advance':
      return advanceTogether(world, move.turns);
    case 'edit':
      return editByHand(world, move.edits);
    case 'return':
      return giveBack(world, move);
    case 'rescue':
      return rescueFrom(world, handOf(world, move.watcher));
  }
}

/** Finishes whatever can still be run. */
export async function runToQuiescence(world: World): Promise<string[]> {
  const complaints: string[] = [];
  const turn = { outcomes: [], slots: 100, want: 100, urgent: 19, head: false, lost: false };
  for (let more = true; more;) {
    more = false;
    for (const watcher of world.hands.keys()) {
      complaints.push(...(await advanceTogether(world, [{ ...turn, watcher }])));
      more ||= world.hands[watcher]!.held.length > 0;
    }
  }
  return complaints;
}

const handOf = ({ hands }: World, pick: number): Hand => hands[pick % hands.length]!;

async function advanceTogether(world: World, turns: Turn[]): Promise<string[]> {
  const parts = [...new Map(turns.map((turn) => [handOf(world, turn.watcher), turn]))];
  const complaints: string[] = [];
  for (const [hand] of parts) complaints.push(...(await returnStraysOf(world, hand)));
  const calls = parts.map(([hand, turn]) => ({ hand, turn, ended: endTasks(hand, turn) }));
  const answers = await Promise.all(calls.map(({ hand, turn, ended }) => callUntilDone(hand, turn, ended)));
  for (const [at, { hand, ended }] of calls.entries())
    complaints.push(...settle(world, hand, ended, answers[at]!.late));
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

/** Those of the watcher's tasks that end with this call, and those of which it does not know whether they did. */
function endTasks(hand: Hand, { outcomes }: Turn): Ended[] {
  const ended = [...hand.pending];
  hand.held = hand.held.filter((task, at) => {
    const outcome = outcomes[at] ?? 'finished';
    if (outcome === 'finished') ended.push(finished(task));
    if (outcome === 'failed') ended.push(failed(task));
    return outcome === 'running';
  });
  return ended;
}

function settle(world: World, hand: Hand, ended: Ended[], late: { flow: string; seq: string }[]): string[] {
  const expected: string[] = [];
  for (const { flow, seq, attempt, status } of ended) {
    const target = status === 'finished' ? ExecStatus.finish : ExecStatus.suspend;
    const { row, books } = rowOf(world, flow, seq);
    const ours = books?.watcher === hand.watcher.id && books.attempt === attempt;
    if (row && ours && row.status === ExecStatus.running) {
      row.status = target;
      row.reason = status === 'failed' ? 'failed' : null;
    } else if (!row || !ours || row.status !== target) expected.push(`${flow}/${seq}`);
  }
  settleAll(world);
  const told = late.map(({ flow, seq }) => `${flow}/${seq}`);
  return told.toSorted().join() === expected.toSorted().join()
    ? []
    : [`late: told ${told.join()}, expected ${expected.join()}`];
}

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

function rowOf({ executions }: World, flow: string, seq: string) {
  const execution = executions.find(({ id }) => id === flow);
  return { row: execution?.rows.get(Number(seq)), books: execution?.books.get(Number(seq)) };
}

function runnableKeys({ executions }: World): Set<string> {
  return new Set(
    executions.flatMap(({ id, plan, rows }) => listRunnable(plan, rows).map((seq) => `${id}/${seq}`)),
  );
}

function settleAll({ executions }: World): void {
  for (const execution of executions)
    execution.rows = new Map(
      [...settleDown(execution.plan, execution.rows)].map(([seq, row]) => [seq, { ...row }]),
    );
}

/** All edits in one transaction, each a statement of its own. */
async function editByHand(world: World, edits: Edit[]): Promise<string[]> {
  const client = await world.db.pool.connect();
  try {
    await client.query('begin');
    for (const edit of edits) await editOne(client, world.executions, edit);
    await client.query('commit');
  } finally {
    client.release();
  }
  settleAll(world);
  return [];
}

async function editOne(client: PoolClient, executions: ModelExecution[], edit: Edit): Promise<void> {
  const execution = executions[edit.pick % executions.length]!;
  if (edit.kind === 'insert') return insertRow(client, execution, edit);
  const seqs = [...execution.rows.keys()];
  const seq = seqs[edit.pick % seqs.length];
  if (seq === undefined) return;
  const row = execution.rows.get(seq)!;
  const where = 'where task_flow_id = $1 and task_exec_seq = $2';
  if (edit.kind === 'delete') {
    execution.rows.delete(seq);
    await client.query(`delete from kr_task_stat ${where}`, [execution.id, seq]);
  } else if (edit.kind === 'priority') {
    await client.query(`update kr_task_stat set task_priority = $3 ${where}`, [
      execution.id,
      seq,
      edit.priority,
    ]);
  } else if (edit.kind === 'hold') {
    row.hold = edit.hold;
    await client.query(`update kr_task_stat set hold = $3 ${where}`, [execution.id, seq, edit.hold]);
  } else {
    setRow(row, execution.books.get(seq)!, edit);
    const reason = edit.reason === undefined ? '' : `, reason = '${edit.reason}'`;
    const params = edit.params ? `, parameters = '{"edited": "yes"}'` : '';
    await client.query(`update kr_task_stat set exec_status = $3 ${reason} ${params} ${where}`, [
      execution.id,
      seq,
      edit.status,
    ]);
  }
}

/** What the contract says an operator's UPDATE does to a row. */
function setRow(row: TaskState, books: Books, edit: Extract<Edit, { kind: 'set' }>): void {
  const given = edit.reason !== undefined && edit.reason !== row.reason;
  if (edit.status === row.status) {
    if (given) row.reason = edit.reason!;
    return;
  }
  const stopped = edit.status === ExecStatus.suspend || edit.status === ExecStatus.ignore;
  row.reason = given ? edit.reason! : stopped ? 'operator' : null;
  row.status = edit.status === ExecStatus.running ? ExecStatus.wait : edit.status;
  books.watcher = null;
  if (row.status === ExecStatus.wait) books.lost = 0;
}

async function insertRow(
  client: PoolClient,
  { id, plan, rows, books }: ModelExecution,
  edit: Extract<Edit, { kind: 'insert' }>,
): Promise<void> {
  const next = Math.max(0, ...plan.map(({ execSeq }) => execSeq)) + 1;
  const gone = plan.map(({ execSeq }) => execSeq).filter((seq) => !rows.has(seq));
  const seq = [...gone, next, next][edit.seq % (gone.length + 2)]!;
  const choices = [-1, ...plan.map(({ execSeq }) => execSeq), next, next + 1];
  const depends = choices[edit.depends % choices.length]!;
  plan.splice(0, plan.length, ...plan.filter(({ execSeq }) => execSeq !== seq), {
    execSeq: seq,
    depends: depends === -1 ? [] : [depends],
  });
  const stopped = edit.status === ExecStatus.suspend || edit.status === ExecStatus.ignore;
  rows.set(seq, {
    status: edit.status === ExecStatus.running ? ExecStatus.wait : edit.status,
    reason: stopped ? 'operator' : null,
  });
  books.set(seq, blank());
  await client.query(
    `insert into kr_task_stat (task_flow_id, task_exec_seq, depends_task_exec_seq, task_id, task_seq, exec_status, parameters)
     values ($1, $2, $3, 'by hand', $2, $4, '{}')`,
    [id, seq, depends, edit.status],
  );
}
