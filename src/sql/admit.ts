// Places of flows with max_running: given to the executions that have waited longest.
import type { Database } from './database.ts';

/** Fills the free places of the given flows; returns how many executions were let in. */
export async function admitExecutions(db: Database, flows: string[]): Promise<number> {
  const { rows } = await db.pool.query<{ admitted: number }>({
    name: 'umbel_admit_v1',
    text: 'select umbel_admit_v1($1) admitted',
    values: [flows],
  });
  return rows[0]!.admitted;
}

/** Flows in which some execution waits for a place. */
export async function flowsWithWaitingExecutions(db: Database): Promise<string[]> {
  const { rows } = await db.pool.query<{ task_id: string }>({
    name: 'flowsWithWaitingExecutions',
    text: 'select distinct task_id from kr_flow_stat where place in (0, 1) and place = 0',
  });
  return rows.map((r) => r.task_id);
}
