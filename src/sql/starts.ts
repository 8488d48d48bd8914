// Flows to start because executions failed. Called by watcher/owed.ts.
import type { Json } from '../dag/vocabulary.ts';
import type { Database } from './database.ts';

export interface OwedStart {
  /** Of the execution to start. */
  id: string;
  /** The execution that failed. */
  failed: string;
  tenant: string;
  flow: string;
  input: Json;
}

const MOST = 100;

export async function readStarts(db: Database): Promise<OwedStart[]> {
  const { rows } = await db.pool.query<OwedStart>({
    name: 'readStarts',
    text: `select s.start_id id, s.task_flow_id failed, s.tenant, s.task_id flow, s.input from kr_start s order by s.task_flow_id limit $1`,
    values: [MOST],
  });
  return rows;
}

export async function dropStart(db: Database, failed: string): Promise<void> {
  await db.pool.query('delete from kr_start where task_flow_id = $1', [failed]);
}
