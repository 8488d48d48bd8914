// What a watcher needs to know of executions for their spans. Asked only when traces are written.
import type { Database } from './database.ts';

export interface EndedExecution {
  id: string;
  flow: string;
  status: string;
  registered: Date;
  finished: Date;
}

/** Of the executions of these tasks those that have ended, and with one of these tasks: another watcher may have recorded the last. */
export async function readEndedExecutions(
  db: Database,
  tasks: { flow: string; seq: string }[],
): Promise<EndedExecution[]> {
  const { rows } = await db.pool.query<EndedExecution>({
    name: 'readEndedExecutions',
    text: `
      select f.task_flow_id id, f.task_id flow, f.flow_status status, f.registered_ts registered, f.finished_ts finished
      from (select u.flow, array_agg(u.seq) seqs from unnest($1::text[], $2::numeric[]) u(flow, seq) group by u.flow) u
      join kr_flow_stat f on f.task_flow_id = u.flow and f.finished_ts is not null
      where (select t.task_exec_seq from kr_task_stat t where t.task_flow_id = u.flow
             order by greatest(t.finished_ts, t.suspended_ts) desc nulls last, t.task_exec_seq desc limit 1) = any (u.seqs)`,
    values: [tasks.map(({ flow }) => flow), tasks.map(({ seq }) => seq)],
  });
  return rows;
}
