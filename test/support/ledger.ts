// The model's side of a world: what stands in each execution's rows, and what the engine's books say of them.
import { listRunnable, type ModelTask, settleDown, type TaskState } from './model.ts';

/** What the engine's books say of a row besides its status. */
export interface Books {
  attempt: number;
  lost: number;
  watcher: number | null;
}
export interface ModelExecution {
  id: string;
  plan: ModelTask[];
  rows: Map<number, TaskState>;
  books: Map<number, Books>;
}
/** What has executions: the whole world, or a part of it. */
interface Ledger {
  executions: ModelExecution[];
}

/** The books of a row that nobody has touched. */
export const blank = (): Books => ({ attempt: 0, lost: 0, watcher: null });

/** The row and its books; neither when it was deleted. */
export function rowOf({ executions }: Ledger, flow: string, seq: string) {
  const execution = executions.find(({ id }) => id === flow);
  return { row: execution?.rows.get(Number(seq)), books: execution?.books.get(Number(seq)) };
}

/** What may be claimed, as `flow/seq`. */
export function runnableKeys({ executions }: Ledger): Set<string> {
  return new Set(
    executions.flatMap(({ id, plan, rows }) => listRunnable(plan, rows).map((seq) => `${id}/${seq}`)),
  );
}

/** Lets skips spread and circles come to light. */
export function settleAll({ executions }: Ledger): void {
  for (const execution of executions)
    execution.rows = new Map(
      [...settleDown(execution.plan, execution.rows)].map(([seq, row]) => [seq, { ...row }]),
    );
}
