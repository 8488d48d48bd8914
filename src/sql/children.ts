// What is kept of an execution that a task is about to start. Called by watcher/children.ts.
import type { Database } from './database.ts';

export interface Reserved {
  /** Of the execution to start; the one that an earlier attempt reserved, if there was one. */
  id: string;
  tenant: string;
  /** How deep it will stand: 2 when its parent has none itself. */
  depth: number;
}

/** null: the task was taken away. */
export async function reserveChild(
  db: Database,
  { flow, seq, attempt }: { flow: string; seq: string; attempt: number },
  id: string,
): Promise<Reserved | null> {
  const { rows } = await db.pool.query<Reserved>({
    name: 'reserveChild',
    text: `with recursive up(parent, depth) as (
             select f.parent_flow_id, 2 from kr_flow_stat f where f.task_flow_id = $1
             union all
             select f.parent_flow_id, u.depth + 1 from up u join kr_flow_stat f on f.task_flow_id = u.parent where u.depth < 1000
           ), reserved as (
             insert into kr_wait as w (task_flow_id, task_exec_seq, kind, token)
             select t.task_flow_id, t.task_exec_seq, 'sub_execution', $4 from kr_task_stat t
             where t.task_flow_id = $1 and t.task_exec_seq = $2 and t.exec_status = 1 and t.attempt = $3
             on conflict (task_flow_id, task_exec_seq, kind) do update set token = w.token
             returning token
           )
           select r.token id, f.tenant, (select max(u.depth) from up u) depth
           from reserved r join kr_flow_stat f on f.task_flow_id = $1`,
    values: [flow, seq, attempt, id],
  });
  return rows[0] ?? null;
}
