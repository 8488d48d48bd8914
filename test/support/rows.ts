// Rows of the engine's tables as tests look at them: small numbers instead of exact text.
import type { Database } from '../../src/sql/database.ts';

export interface TaskRow {
  seq: number;
  status: number;
  reason: string | null;
  priority: number;
  ready: boolean;
  hold: boolean;
  waitingOn: number | null;
  live: number | null;
  depends: number[] | null;
  releases: number[] | null;
  attempt: number;
  lost: number;
  watcher: number | null;
  revision: number;
  registered: Date | null;
  started: Date | null;
  finished: Date | null;
  suspended: Date | null;
  parameters: unknown;
  input: unknown;
  result: unknown;
  error: { name: string; message: string } | null;
}

/** An execution's tasks, by exec seq. */
export async function readTasks(db: Database, flow: string): Promise<TaskRow[]> {
  const { rows } = await db.pool.query<TaskRow>(
    `select task_exec_seq::float8 seq, exec_status::int status, reason, task_priority::int priority, ready, hold, waiting_on "waitingOn",
            live, depends::float8[], releases::float8[], attempt, lost, watcher_id watcher, revision, registered_ts registered,
            started_ts started, finished_ts finished, suspended_ts suspended, parameters, input, result, error
     from kr_task_stat where task_flow_id = $1 order by task_exec_seq`,
    [flow],
  );
  return rows;
}

/** One task; it has to be there. */
export async function readTask(db: Database, flow: string, seq: number): Promise<TaskRow> {
  return (await readTasks(db, flow)).find((row) => row.seq === seq)!;
}

/** The tasks' statuses, in order of exec seq. */
export async function readStatuses(db: Database, flow: string): Promise<number[]> {
  return (await readTasks(db, flow)).map(({ status }) => status);
}

export interface ExecutionRow {
  status: string;
  active: number;
  place: number | null;
  finished: Date | null;
}

/** The execution's own row, or undefined when there is none. */
export async function readExecution(db: Database, flow: string): Promise<ExecutionRow | undefined> {
  const { rows } = await db.pool.query<ExecutionRow>(
    'select flow_status status, active, place, finished_ts finished from kr_flow_stat where task_flow_id = $1',
    [flow],
  );
  return rows[0];
}

/** Batches that the watcher holds by the books, as `claim_no/part`. */
export async function readClaims(db: Database, watcher: number): Promise<string[]> {
  const { rows } = await db.pool.query<{ claim: string }>(
    `select claim_no || '/' || part claim from kr_claim where watcher_id = $1 order by claim_no, part`,
    [watcher],
  );
  return rows.map(({ claim }) => claim);
}

/** Changes rows as an operator does, with Flower's columns alone. */
export async function setStatus(db: Database, flow: string, seq: number, status: number): Promise<void> {
  await db.pool.query(
    'update kr_task_stat set exec_status = $3 where task_flow_id = $1 and task_exec_seq = $2',
    [flow, seq, status],
  );
}
