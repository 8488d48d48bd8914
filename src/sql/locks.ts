// Which executions somebody else's transaction keeps locked. Asked by the watcher when a call waited for a lock in vain.
import type { Database } from './database.ts';

/** Those of the executions of which a row, a task's or its own, is locked now. */
export async function findLockedExecutions(db: Database, flows: string[]): Promise<string[]> {
  const { rows } = await db.pool.query<{ flow: string }>({
    name: 'findLockedExecutions',
    // Locks what it can, for the length of the statement, and names what is left over.
    text: `with free_task as materialized (
             select t.task_flow_id flow, t.task_exec_seq seq from unnest($1::text[]) u(flow)
             cross join lateral (
               select k.task_flow_id, k.task_exec_seq from kr_task_stat k where k.task_flow_id = u.flow for no key update skip locked) t
           ), free_execution as materialized (
             select k.task_flow_id flow from unnest($1::text[]) u(flow)
             cross join lateral (
               select e.task_flow_id from kr_flow_stat e where e.task_flow_id = u.flow for no key update skip locked) k
           )
           select flow from (
             select t.task_flow_id flow, t.task_exec_seq seq from kr_task_stat t where t.task_flow_id = any ($1)
             except select flow, seq from free_task) task
           union
           select flow from (
             select e.task_flow_id flow from kr_flow_stat e where e.task_flow_id = any ($1) except select flow from free_execution) execution`,
    values: [flows],
  });
  return rows.map(({ flow }) => flow);
}
