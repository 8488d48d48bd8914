// Places of flows with max_running: given to the executions that have waited longest.
import type { Database } from './database.ts';

/** Fills the free places of the given flows and wakes the watchers of the pools concerned; returns how many executions were let in. */
export async function admitExecutions(db: Database, flows: string[]): Promise<number> {
  const { rows } = await db.pool.query<{ admitted: number }>({
    name: 'umbel_admit_v1',
    text: 'select umbel_admit_v1($1) admitted',
    values: [flows],
  });
  const { admitted } = rows[0]!;
  if (admitted > 0) await hintAdmitted(db, flows);
  return admitted;
}

/** What was let in may be of any pool, and who let it in may be busy: every watcher of those pools is told. */
async function hintAdmitted(db: Database, flows: string[]): Promise<void> {
  await db.pool.query({
    name: 'hintAdmitted',
    text: `select pg_notify('umbel', json_build_object('pool', t.pool, 'priority', min(t.task_priority))::text)
           from kr_flow_stat k join kr_task_stat t on t.task_flow_id = k.task_flow_id
           where k.task_id = any ($1) and k.place = 1 and t.ready group by t.pool`,
    values: [flows],
  });
}

/** Flows in which some execution waits for a place. */
export async function flowsWithWaitingExecutions(db: Database): Promise<string[]> {
  const { rows } = await db.pool.query<{ task_id: string }>({
    name: 'flowsWithWaitingExecutions',
    text: 'select distinct task_id from kr_flow_stat where place in (0, 1) and place = 0',
  });
  return rows.map((r) => r.task_id);
}
