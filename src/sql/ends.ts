// How executions ended, for whoever waits for them. Called by registrar/execute.ts and sql/executions.ts.
import { CompiledQuery, sql } from 'kysely';
import type { Json } from '../dag/vocabulary.ts';
import type { Database, Db } from './database.ts';

export interface ExecutionEnd {
  id: string;
  status: string;
  /** The only leaf's result, else an object of the leaves' results by name. */
  output: Json;
  error: Json;
}

/** In the order of the ids; null for one that has not ended, or is not there. */
export async function readEnds(db: Database, ids: string[]): Promise<(ExecutionEnd | null)[]> {
  const { rows } = await db.pool.query<ExecutionEnd>({ name: 'readEnds', text: READ, values: [ids] });
  const ends = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => ends.get(id) ?? null);
}

/** What came of an execution; null unless it is a success. */
export async function readOutput(db: Db, id: string): Promise<Json> {
  const { rows } = await db.executeQuery(CompiledQuery.raw(READ, [[id]]));
  return (rows as ExecutionEnd[])[0]?.output ?? null;
}

const READ = `
  select f.task_flow_id id, f.flow_status status, coalesce(f.error, t.error) error,
    case when f.flow_status <> 'success' then null
      else coalesce(f.output, case when v.output is not null then t.chosen when t.leaves = 1 then t.only else t.output end) end output
  from kr_flow_stat f left join ms_flow_version v on v.version = f.version
  cross join lateral (
    select (array_agg(k.result) filter (where k.step = v.output))[1] chosen, count(*) filter (where k.leaf) leaves, (array_agg(k.result) filter (where k.leaf))[1] only,
      jsonb_object_agg(k.name, k.result) filter (where k.leaf) output,
      (array_agg(k.error order by k.seq) filter (where k.failed))[1] error
    from (
      select s.task_exec_seq seq, coalesce(s.releases, '{}') = '{}' and (s.exec_status <> 9 or s.reason is distinct from 'not_selected') leaf, s.result, s.error, p.step,
        coalesce(p.options ->> 'output', p.step, d.options ->> 'output', d.step_id, trim_scale(s.task_seq)::text) name, s.exec_status = 2 and s.reason = 'failed' failed
      from kr_task_stat s left join ms_plan p on p.version = s.version and p.task_exec_seq = s.task_exec_seq
      left join ms_task_definition d on s.version is null and d.task_id = s.task_id and d.task_seq = s.task_seq
      where s.task_flow_id = f.task_flow_id
    ) k
  ) t
  where f.task_flow_id = any ($1) and f.flow_status not in ('open', 'paused', 'compensating')`;

/** What an execution was started with; undefined when there is none of that id. */
export async function readTrigger(db: Db, id: string): Promise<Json | undefined> {
  const { rows } = await sql<{ trigger: Json }>`
    select trigger from kr_flow_stat where task_flow_id = ${id}`.execute(db);
  return rows[0]?.trigger;
}
