// The model's side of a world: what stands in each execution's rows, and what the engine's books say of them.
import { ExecStatus } from '../../src/dag/vocabulary.ts';
import {
  countWaitingOn,
  judgeExecution,
  listRunnable,
  type ModelTask,
  WAITING_REASONS,
  settleDown,
  spread,
  type TaskState,
} from './model.ts';

/** What the engine's books say of a row besides its status. */
export interface Books {
  attempt: number;
  lost: number;
  retried: number;
  watcher: number | null;
}
export interface ModelExecution {
  id: string;
  plan: ModelTask[];
  /** Of each task as it was planned: whose ends wire the whole execution. */
  wireOn: Map<number, number>;
  rows: Map<number, TaskState>;
  books: Map<number, Books>;
  /** Of a flow with `max_running`: 0 waits for a place, 1 has one, 2 gave it back; null: no limit. */
  place: number | null;
  paused: boolean;
  failFast: boolean;
  /** Signals sent to it, in order, and the task that each went to. */
  signals: { name: string; to: number | null }[];
}

/** What has executions: the whole world, or a part of it. */
interface Ledger {
  executions: ModelExecution[];
}

/** The books of a row that nobody has touched. */
export const blank = (): Books => ({ attempt: 0, lost: 0, retried: 0, watcher: null });

/** The row and its books; neither when it was deleted. */
export function rowOf({ executions }: Ledger, flow: string, seq: string) {
  const execution = executions.find(({ id }) => id === flow);
  return { row: execution?.rows.get(Number(seq)), books: execution?.books.get(Number(seq)) };
}

/** What may be claimed, as `flow/seq`. */
export function runnableKeys({ executions }: Ledger): Set<string> {
  return new Set(
    executions.flatMap((execution) => listClaimable(execution).map((seq) => `${execution.id}/${seq}`)),
  );
}

/** What the execution lets watchers take: nothing while it waits for a place. */
export function listClaimable({ plan, rows, place }: ModelExecution): number[] {
  return place === 0 ? [] : listRunnable(plan, rows);
}

/** Gives free places to the executions that have waited longest. */
export function admitOldest({ executions }: Ledger, maxRunning: number): void {
  const taken = executions.filter(({ place }) => place === 1).length;
  const waiting = executions.filter(({ place }) => place === 0);
  for (const execution of waiting.slice(0, Math.max(0, maxRunning - taken))) execution.place = 1;
}

/** As `kr_flow_stat.flow_status` has it. */
export function statusOf({ plan, rows, paused }: ModelExecution): string {
  if (paused) return 'paused';
  const status = judgeExecution(plan, rows);
  return status === 'running' || status === 'waiting' ? 'open' : status;
}

/** An ended execution gives its place back, one that is open again asks for it again; failed and suspended ones keep it. */
function placeOf(execution: ModelExecution): number | null {
  const { rows, place } = execution;
  if (place === null || rows.size === 0) return null;
  const status = statusOf(execution);
  if (status === 'success' || status === 'aborted') return 2;
  return place === 2 ? 0 : place;
}

/** Who waits for a predecessor again does not wait for a time as well. */
function dropTimers({ plan, rows }: ModelExecution): void {
  for (const task of plan) {
    const row = rows.get(task.execSeq);
    if (row && (row.status !== ExecStatus.wait || countWaitingOn(task, rows) > 0)) row.timed = false;
  }
}

/** A failure that nobody takes stops all that runs, waits, or waits for something outside. */
function stopOthers({ rows, books }: ModelExecution): void {
  const failed = ({ status, reason }: TaskState) => status === ExecStatus.suspend && reason === 'failed';
  if (![...rows.values()].some(failed)) return;
  for (const [seq, row] of rows) {
    const outside = row.status === ExecStatus.suspend && WAITING_REASONS.includes(row.reason ?? '');
    if (row.status !== ExecStatus.wait && row.status !== ExecStatus.running && !outside) continue;
    Object.assign(row, { status: ExecStatus.ignore, reason: 'aborted', hold: false, timed: false });
    delete row.wait;
    books.get(seq)!.watcher = null;
  }
}

/** Lets skips spread, circles come to light (not in a paused execution: it is not judged) and places change hands. */
export function settleAll({ executions }: Ledger): void {
  for (const execution of executions) {
    execution.rows = new Map(
      [...(execution.paused ? spread : settleDown)(execution.plan, execution.rows)].map(([seq, row]) => [
        seq,
        { ...row },
      ]),
    );
    if (execution.failFast) stopOthers(execution);
    dropTimers(execution);
    execution.place = placeOf(execution);
  }
}
