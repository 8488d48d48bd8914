// What an operator does with SQL that knows only Flower's columns.
import type { Pool, PoolClient } from 'pg';
import type { TestDatabase } from './database.ts';

/** Inserts rows `[exec seq, predecessor]`, all waiting; `task_id` is the flow whose definition has the programs. */
export async function insertRows(
  db: Pool | PoolClient,
  flow: string,
  rows: [seq: number, depends: number][],
  taskId = 'by hand',
): Promise<void> {
  await db.query(
    `insert into kr_task_stat (task_flow_id, task_exec_seq, depends_task_exec_seq, task_id, task_seq, exec_status, parameters)
     select $1, seq, depends, $4, seq, 0, '{}' from unnest($2::numeric[], $3::numeric[]) u(seq, depends)`,
    [flow, rows.map(([seq]) => seq), rows.map(([, depends]) => depends), taskId],
  );
}

/** Runs the work in a transaction of its own. */
export async function inTransaction<T>(db: Pool, work: (tx: PoolClient) => Promise<T>): Promise<T> {
  const client = await db.connect();
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
}

/** Resolves once a session of the database waits for another's lock. */
export async function untilBlocked({ db }: TestDatabase): Promise<void> {
  for (;;) {
    const { rows } = await db.pool.query(
      `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    if (rows.length > 0) return;
  }
}
