// What running a plan means, without a database: tests compare what Postgres does with this.
// A state holds each task's row by exec seq; a task without a row was deleted.

import { isSkipped, satisfies } from '../../src/dag/satisfies.ts';
import { ExecStatus, type PlanTask } from '../../src/dag/vocabulary.ts';

interface TaskState {
  status: ExecStatus;
  reason: string | null;
}
export type ModelState = ReadonlyMap<number, TaskState>;
export type ModelStatus = 'running' | 'waiting' | 'success' | 'failed' | 'aborted';

/** Reasons with which a suspended task may still go on by itself. */
const WAITING_REASONS = ['callback', 'signal', 'sub_execution'];

/** All tasks at Wait, as registration leaves them. */
export function startState(plan: readonly PlanTask[]): ModelState {
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
  else next.set(execSeq, { status, reason });
  return next;
}

/** Exec seqs of the tasks that may be claimed, ascending. */
export function listRunnable(plan: readonly PlanTask[], state: ModelState): number[] {
  return plan
    .filter((task) => isReady(task, state) && !isToBeSkipped(task, state))
    .map(({ execSeq }) => execSeq);
}

/** The state once skips have spread: a waiting task all of whose predecessors were skipped is skipped too. */
export function spreadSkips(plan: readonly PlanTask[], state: ModelState): ModelState {
  const next = new Map(state);
  const queue = [...plan];
  for (const task of queue) {
    if (!isReady(task, next) || !isToBeSkipped(task, next)) continue;
    next.set(task.execSeq, { status: ExecStatus.ignore, reason: 'skipped' });
    queue.push(...plan.filter(({ depends }) => depends.includes(task.execSeq)));
  }
  return next;
}

/** The execution's status; it has ended when that is success, failed or aborted. */
export function judgeExecution(plan: readonly PlanTask[], before: ModelState): ModelStatus {
  const state = spreadSkips(plan, before);
  const rows = [...state.values()];
  const suspended = rows.filter(({ status }) => status === ExecStatus.suspend);
  if (rows.some(({ status }) => status === ExecStatus.running)) return 'running';
  if (listRunnable(plan, state).length > 0) return 'running';
  if (suspended.some(({ reason }) => WAITING_REASONS.includes(reason ?? ''))) return 'waiting';
  if (suspended.length > 0) return 'failed';
  return rows.every(({ status, reason }) => satisfies(status, reason)) ? 'success' : 'aborted';
}

function isReady(task: PlanTask, state: ModelState): boolean {
  if (state.get(task.execSeq)?.status !== ExecStatus.wait) return false;
  return task.depends.every((predecessor) => {
    const row = state.get(predecessor);
    return row === undefined || satisfies(row.status, row.reason);
  });
}

function isToBeSkipped(task: PlanTask, state: ModelState): boolean {
  if (task.depends.length === 0) return false;
  return task.depends.every((predecessor) => {
    const row = state.get(predecessor);
    return row !== undefined && isSkipped(row.status, row.reason);
  });
}
