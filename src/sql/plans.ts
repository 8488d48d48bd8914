// What a watcher needs to know of a task beyond its row: which program, which step, what it says.
import type { EdgeKind } from '../dag/edges.ts';
import type { JsonObject } from '../dag/vocabulary.ts';
import type { Database } from './database.ts';

export interface PlannedTask {
  seq: string;
  step: string;
  program: string;
  /** What the step says of retries, timeouts and the like. */
  options: JsonObject | null;
  /** As the definition has them, when an expression may be in them. */
  params: JsonObject | null;
  /** Exec seqs of the predecessors. */
  depends: string[];
  /** Which end of each of them counts; null: success. */
  edges: EdgeKind[] | null;
  /** Whose ends are more than an arrival: 1 a failure, 2 any. */
  wireOn: number;
}

/** The tasks of the given versions. */
export async function readPlans(db: Database, versions: string[]): Promise<Map<string, PlannedTask[]>> {
  const { rows } = await db.pool.query<PlannedTask & { version: string }>({
    name: 'readPlans',
    text: `select version, task_exec_seq seq, step, program, options, depends, edges, wire_on "wireOn",
             case when position('\${{' in parameters::text) > 0 then parameters end params
           from ms_plan where version = any ($1) order by version, task_exec_seq`,
    values: [versions],
  });
  const plans = new Map<string, PlannedTask[]>(versions.map((version) => [version, []]));
  for (const { version, ...task } of rows) plans.get(version)!.push(task);
  return plans;
}

/** The programs of hand-inserted tasks, by (task_id, task_seq), in order; null where no definition has it. */
export async function readPrograms(
  db: Database,
  keys: { taskId: string; taskSeq: string }[],
): Promise<(Pick<PlannedTask, 'step' | 'program' | 'options'> | null)[]> {
  const { rows } = await db.pool.query<{
    step: string | null;
    program: string | null;
    options: JsonObject | null;
  }>({
    name: 'readPrograms',
    text: `select coalesce(d.step_id, trim_scale(d.task_seq)::text) step, d.program, d.options
           from unnest($1::text[], $2::numeric[]) with ordinality k(id, seq, ordinal)
           left join ms_task_definition d on d.task_id = k.id and d.task_seq = k.seq order by k.ordinal`,
    values: [keys.map((k) => k.taskId), keys.map((k) => k.taskSeq)],
  });
  return rows.map((r) =>
    r.program === null ? null : { step: r.step!, program: r.program, options: r.options },
  );
}
