// What running a plan means, without a database: tests compare what Postgres does with this.
// A state holds each task's row by exec seq; a task without a row was deleted.

import { type EdgeState, judgeEdge } from '../../src/dag/edges.ts';
import { type Counters, countJoin } from '../../src/dag/join.ts';
import { satisfies } from '../../src/dag/satisfies.ts';
import { ExecStatus, type PlanTask } from '../../src/dag/vocabulary.ts';

/** As much of a task's place in the graph as decides what may run. */
export type ModelTask = Pick<PlanTask, 'execSeq' | 'depends' | 'edges' | 'need'>;
export interface TaskState {
  status: ExecStatus;
  reason: string | null;
  /** Paused: neither claimed nor handed over. */
  hold?: boolean;
  /** Waits for a time: not claimed, nor skipped, before it has come. */
  timed?: boolean;
  /** The dependants that its end let go on; null: as their edges say. */
  chosen?: number[] | null | undefined;
  /** Waits for a signal: since when, counted up, and whether for a time only. Counts while it stands suspended for it. */
  wait?: { name: string; since: number; timed: boolean };
}
export type ModelState = ReadonlyMap<number, TaskState>;
export type ModelStatus = 'running' | 'waiting' | 'success' | 'failed' | 'aborted';

/** Reasons with which a suspended task may still go on by itself. */
export const WAITING_REASONS = ['callback', 'signal', 'sub_execution'];

/** All tasks at Wait, as registration leaves them. */
export function startState(plan: readonly ModelTask[]): ModelState {
  return new Map(plan.map(({ execSeq }) => [execSeq, { status: ExecStatus.wait, reason: null }]));
}

/** The state after one task's row was set; `null` deletes the row. */
export function setTask(
  state: ModelState,
  execSeq: number,
  status: ExecStatus | null,
  reason: string | null = null,
): ModelState {
  const next = new Map(state);
  if (status === null) next.delete(execSeq);
  else next.set(execSeq, { ...state.get(execSeq), status, reason, chosen: undefined });
  return next;
}

/** Exec seqs of the tasks that may be claimed, ascending. */
export function listRunnable(plan: readonly ModelTask[], state: ModelState): number[] {
  return listMovable(plan, state).filter((execSeq) => {
    const row = state.get(execSeq);
    return !row?.hold && !row?.timed;
  });
}

/** How many predecessors still hold a task back. */
export function countWaitingOn(task: ModelTask, state: ModelState): number {
  return countersOf(task, state).waitingOn;
}

function countersOf(task: ModelTask, state: ModelState): Counters {
  const { execSeq, depends, edges, need } = task;
  return countJoin(
    need,
    depends.map((predecessor, at): EdgeState => {
      const row = state.get(predecessor);
      return row === undefined ? 'met' : judgeEdge(edges?.[at] ?? 'succeeded', row, execSeq);
    }),
  );
}

/** How many tasks can move by themselves: runnable, held, timed, running, or waiting for something outside. */
export function countActive(plan: readonly ModelTask[], state: ModelState): number {
  const outside = [...state.values()].filter(
    ({ status, reason }) =>
      status === ExecStatus.running ||
      (status === ExecStatus.suspend && WAITING_REASONS.includes(reason ?? '')),
  );
  return outside.length + listMovable(plan, state).length;
}

/** The state once nothing follows from it any more without a program: skips have spread, circles are found out. */
export function settleDown(plan: readonly ModelTask[], before: ModelState): ModelState {
  const state = spread(plan, before);
  if (!isCircular(plan, state)) return state;
  return spread(plan, new Map([...state].map(([seq, row]) => [seq, failWaiting(row)])));
}

/** The state once skips have spread, and then failures found who takes them, or lost them again. */
export function spread(plan: readonly ModelTask[], before: ModelState): ModelState {
  let state = before;
  for (;;) {
    const next =
      changeAll(plan, state, isToBeSkipped, { status: ExecStatus.ignore, reason: 'skipped' }) ??
      changeAll(plan, state, isForsaken, { status: ExecStatus.suspend, reason: 'failed' }) ??
      changeAll(plan, state, isTaken, { status: ExecStatus.ignore, reason: 'handled' });
    if (next === undefined) return state;
    state = next;
  }
}

type Rule = (task: ModelTask, state: ModelState, plan: readonly ModelTask[]) => boolean;

/** All at once; undefined when there is none. */
function changeAll(plan: readonly ModelTask[], state: ModelState, rule: Rule, change: TaskState) {
  const found = plan.filter((task) => state.has(task.execSeq) && rule(task, state, plan));
  if (found.length === 0) return undefined;
  const next = new Map(state);
  for (const { execSeq } of found) next.set(execSeq, { ...state.get(execSeq), ...change });
  return next;
}

/** A failure that was handled, while all who would have taken it were skipped. */
function isForsaken({ execSeq }: ModelTask, state: ModelState, plan: readonly ModelTask[]): boolean {
  const row = state.get(execSeq)!;
  const takers = listTakers(execSeq, state, plan);
  const handled = row.status === ExecStatus.ignore && row.reason === 'handled';
  return handled && takers.length > 0 && !takers.some(isLiving);
}

function isTaken({ execSeq }: ModelTask, state: ModelState, plan: readonly ModelTask[]): boolean {
  const row = state.get(execSeq)!;
  const failed = row.status === ExecStatus.suspend && row.reason === 'failed';
  return failed && listTakers(execSeq, state, plan).some(isLiving);
}

/** Who takes a failure of the task: the rows at the ends of its `failed` and `always` edges. */
function listTakers(from: number, state: ModelState, plan: readonly ModelTask[]): TaskState[] {
  return plan.flatMap(({ execSeq, depends, edges }) => {
    const row = state.get(execSeq);
    const takes = depends.some(
      (seq, at) => seq === from && (edges?.[at] === 'failed' || edges?.[at] === 'always'),
    );
    return takes && row !== undefined ? [row] : [];
  });
}

function isLiving({ status, reason }: TaskState): boolean {
  return status !== ExecStatus.ignore || (reason !== 'skipped' && reason !== 'not_selected');
}

/** The execution's status; it has ended when that is success, failed or aborted. */
export function judgeExecution(plan: readonly ModelTask[], before: ModelState): ModelStatus {
  const state = spread(plan, before);
  const rows = [...state.values()];
  const suspended = rows.filter(({ status }) => status === ExecStatus.suspend);
  if (rows.some(({ status }) => status === ExecStatus.running)) return 'running';
  if (listMovable(plan, state).length > 0) return 'running';
  if (suspended.some(({ reason }) => WAITING_REASONS.includes(reason ?? ''))) return 'waiting';
  if (suspended.some(({ reason }) => reason === 'failed')) return 'failed';
  if (suspended.length > 0) return 'waiting';
  return rows.every(({ status, reason }) => satisfies(status, reason)) ? 'success' : 'aborted';
}

/** Waiting tasks that no predecessor holds back, paused and timed ones included. */
function listMovable(plan: readonly ModelTask[], state: ModelState): number[] {
  return plan
    .filter((task) => isReady(task, state) && !isToBeSkipped(task, state))
    .map(({ execSeq }) => execSeq);
}

function isReady(task: ModelTask, state: ModelState): boolean {
  return state.get(task.execSeq)?.status === ExecStatus.wait && countWaitingOn(task, state) === 0;
}

function isToBeSkipped(task: ModelTask, state: ModelState): boolean {
  const row = state.get(task.execSeq);
  const { waitingOn, live } = countersOf(task, state);
  return row?.status === ExecStatus.wait && live === 0 && !(row.timed && waitingOn === 0);
}

/** Whether tasks wait although nothing moves and nothing stands in their way: only a circle can do that. */
function isCircular(plan: readonly ModelTask[], state: ModelState): boolean {
  const rows = [...state.values()];
  if (countActive(plan, state) > 0 || !rows.some(({ status }) => status === ExecStatus.wait)) return false;
  return rows.every(({ status, reason }) => status === ExecStatus.wait || satisfies(status, reason));
}

function failWaiting(row: TaskState): TaskState {
  return row.status === ExecStatus.wait ? { ...row, status: ExecStatus.suspend, reason: 'failed' } : row;
}
