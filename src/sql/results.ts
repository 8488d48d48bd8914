// What tasks look at besides their own row: results of others, and what their execution was started with. Called by watcher/gather.ts.
import type { Json } from '../dag/vocabulary.ts';
import type { Database } from './database.ts';

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
