// Results of tasks, and what executions were started with: for tasks that look at them (watcher/gather.ts) and for who asks
// (registrar/results.ts).
import type { ExecStatus, Json } from '../dag/vocabulary.ts';
import { sql } from 'kysely';
import type { Database, Db } from './database.ts';

/** Results of tasks as JSON text, in order; null where there is none. */
export async function readResults(
  db: Database,
  keys: { flow: string; seq: string }[],
): Promise<(string | null)[]> {
  const { rows } = await db.pool.query<{ result: string | null }>({
    name: 'readResults',
    text: `select t.result::text result from unnest($1::text[], $2::numeric[]) with ordinality k(flow, seq, ordinal)
           left join kr_task_stat t on t.task_flow_id = k.flow and t.task_exec_seq = k.seq order by k.ordinal`,
    values: [keys.map((k) => k.flow), keys.map((k) => k.seq)],
  });
  return rows.map((r) => r.result);
}

/** Results as JSON text of all finished tasks of executions inserted by hand, by the name under which the definition lets them be found. */
export async function readNamedResults(
  db: Database,
  flows: string[],
): Promise<Map<string, Map<string, string>>> {
  const { rows } = await db.pool.query<{ flow: string; name: string; result: string }>({
    name: 'readNamedResults',
    text: `select t.task_flow_id flow, t.result::text result,
             coalesce(d.options ->> 'output', d.step_id, trim_scale(t.task_seq)::text) name
           from kr_task_stat t left join ms_task_definition d on d.task_id = t.task_id and d.task_seq = t.task_seq
           where t.task_flow_id = any ($1) and t.exec_status = 3 and t.result is not null`,
    values: [flows],
  });
  const named = new Map<string, Map<string, string>>(flows.map((flow) => [flow, new Map()]));
  for (const { flow, name, result } of rows) named.get(flow)!.set(name, result);
  return named;
}

/** What executions were started with; one that was started with nothing is left out. */
export async function readExecutionInputs(db: Database, flows: string[]): Promise<Map<string, Json>> {
  const { rows } = await db.pool.query<{ flow: string; input: Json }>({
    name: 'readExecutionInputs',
    text: 'select task_flow_id flow, input from kr_flow_stat where task_flow_id = any ($1) and input is not null',
    values: [flows],
  });
  return new Map(rows.map(({ flow, input }) => [flow, input]));
}

export interface TaskResult {
  execStatus: ExecStatus;
  reason: string | null;
  result: Json;
  error: { name?: string; message?: string } | null;
}

/** The task of a step, by its id, seq or exec seq; `task` is null when there is none, all is null when there is no such execution. */
export async function readTaskResult(
  db: Db,
  { tenant, id, step }: { tenant: string; id: string; step: string },
): Promise<{ task: TaskResult | null } | null> {
  const { rows } = await sql<TaskResult & { found: boolean }>`
    select t.task_exec_seq is not null found, t.exec_status::int "execStatus", t.reason, t.result, t.error
    from kr_flow_stat f left join lateral (
      select k.task_exec_seq, k.exec_status, k.reason, k.result, k.error from kr_task_stat k
      left join ms_plan p on p.version = k.version and p.task_exec_seq = k.task_exec_seq
      left join ms_task_definition d on k.version is null and d.task_id = k.task_id and d.task_seq = k.task_seq
      where k.task_flow_id = f.task_flow_id
        and ${step} in (p.step, d.step_id, trim_scale(d.task_seq)::text, trim_scale(k.task_exec_seq)::text)
      order by ${step} is distinct from coalesce(p.step, d.step_id), k.task_exec_seq limit 1
    ) t on true
    where f.task_flow_id = ${id} and f.tenant = ${tenant}`.execute(db);
  const [row] = rows;
  if (row === undefined) return null;
  const { found, ...task } = row;
  return { task: found ? task : null };
}
