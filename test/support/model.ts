// What running a plan means, without a database: tests compare what Postgres does with this.
// A state holds each task's row by exec seq; a task without a row was deleted.

import { isSkipped, satisfies } from '../../src/dag/satisfies.ts';
import { ExecStatus, type PlanTask } from '../../src/dag/vocabulary.ts';

/** As much of a task's place in the graph as decides what may run. */
export type ModelTask = Pick<PlanTask, 'execSeq' | 'depends'>;
export interface TaskState {
  status: ExecStatus;
  reason: string | null;
  /** Paused: neither claimed nor handed over. */
  hold?: boolean;
  /** Waits for a time: not claimed, nor skipped, before it has come. */
  timed?: boolean;
  /** Waits for a signal: since when, counted up, and whether for a time only. Counts while it stands suspended for it. */
  wait?: { name: string; since: number; timed: boolean };
}
export type ModelState = ReadonlyMap<number, TaskState>;
export type ModelStatus = 'running' | 'waiting' | 'success' | 'failed' | 'aborted';

/** Reasons with which a suspended task may still go on by itself. */
const WAITING_REASONS = ['callback', 'signal', 'sub_execution'];

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
  else next.set(execSeq, { ...state.get(execSeq), status, reason });
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
  return task.depends.filter((predecessor) => !isSatisfied(predecessor, state)).length;
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
  const state = spreadSkips(plan, before);
  return isCircular(plan, state) ? new Map([...state].map(([seq, row]) => [seq, failWaiting(row)])) : state;
}

/** The state once skips have spread: a waiting task all of whose predecessors were skipped is skipped too. */
export function spreadSkips(plan: readonly ModelTask[], state: ModelState): ModelState {
  const next = new Map(state);
  const queue = [...plan];
  for (const task of queue) {
    if (!isReady(task, next) || !isToBeSkipped(task, next)) continue;
    next.set(task.execSeq, { ...next.get(task.execSeq), status: ExecStatus.ignore, reason: 'skipped' });
    queue.push(...plan.filter(({ depends }) => depends.includes(task.execSeq)));
  }
  return next;
}

/** The execution's status; it has ended when that is success, failed or aborted. */
export function judgeExecution(plan: readonly ModelTask[], before: ModelState): ModelStatus {
  const state = spreadSkips(plan, before);
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

function isSatisfied(predecessor: number, state: ModelState): boolean {
  const row = state.get(predecessor);
  return row === undefined || satisfies(row.status, row.reason);
}

function isToBeSkipped(task: ModelTask, state: ModelState): boolean {
  if (task.depends.length === 0 || state.get(task.execSeq)?.timed) return false;
  return task.depends.every((predecessor) => {
    const row = state.get(predecessor);
    return row !== undefined && isSkipped(row.status, row.reason);
  });
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
