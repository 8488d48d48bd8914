// Definitions as the registrar reads them, and the plans it makes of them.
import { CompiledQuery } from 'kysely';
import type { Json, JsonObject, PlanTask, Step } from '../dag/vocabulary.ts';
import type { Database, Db } from './database.ts';

/** Where a flow that starts by itself stands. */
export type LifeStatus = 'inactive' | 'starting' | 'active' | 'stopping';

export interface Owner {
  id: string;
  /** `user`, `tenant`, or a kind that only its users know. */
  type: string;
}

/** A flow's steps, ordered by `task_seq`, with the revision they were read at. */
export interface Definition {
  flow: string;
  revision: string;
  tenant: string;
  name: string | null;
  description: string | null;
  maxRunning: number | null;
  type: string | null;
  cron: string | null;
  timezone: string | null;
  owners: Owner[];
  status: LifeStatus;
  createdAt: Date;
  updatedAt: Date;
  /** What ms_flow says besides; null: nothing. */
  settings: JsonObject | null;
  steps: Step[];
}

/** Reads the definitions of those flows that have steps; the others are missing from the answer. */
export async function readDefinitions(db: Database, flows: string[]): Promise<Definition[]> {
  const { rows } = await db.pool.query<DefinitionRow>({
    name: 'readDefinitions',
    text: READ,
    values: [flows],
  });
  return rows.map(toDefinition);
}

/** One of them, as a transaction or a connection sees it; null when it has no steps. */
export async function readDefinition(db: Db, flow: string): Promise<Definition | null> {
  const { rows } = await db.executeQuery(CompiledQuery.raw(READ, [[flow]]));
  const [row] = rows as DefinitionRow[];
  return row === undefined ? null : toDefinition(row);
}

function toDefinition(row: DefinitionRow): Definition {
  return { ...row, steps: row.steps.map(toStep) };
}

// Flower's rule for the five pairs: used when the key is not null, a null value is "", a later duplicate wins.
const READ = `
  select f.task_id flow, f.revision, f.tenant, f.name, f.description, f.max_running "maxRunning", f.settings,
    f.type, f.cron, f.timezone, f.owners, f.status, f.created_ts "createdAt", f.updated_ts "updatedAt",
    json_agg(json_build_object(
      'seq', trim_scale(d.task_seq)::text, 'id', d.step_id, 'program', d.program, 'priority', d.task_priority, 'pool', d.pool,
      'dependsSeq', (select array_agg(trim_scale(n)::text order by o) from unnest(d.depends_task_seq) with ordinality u(n, o)),
      'root', d.depends_task_seq = '{}', 'after', d.after, 'before', d.before, 'params', d.params, 'options', d.options,
      'pairs', json_build_array(
        d.param1_key, d.param1_value, d.param2_key, d.param2_value, d.param3_key, d.param3_value,
        d.param4_key, d.param4_value, d.param5_key, d.param5_value)
    ) order by d.task_seq) steps
  from ms_flow f join ms_task_definition d on d.task_id = f.task_id
  where f.task_id = any ($1) group by f.task_id`;

interface DefinitionRow extends Omit<Definition, 'steps'> {
  steps: StepRow[];
}

interface StepRow extends Omit<Step, 'params'> {
  root: boolean | null;
  params: JsonObject | null;
  pairs: (string | null)[];
}

function toStep({ root, pairs, params, ...step }: StepRow): Step {
  return { ...step, dependsSeq: root ? [] : step.dependsSeq, params: params ?? readPairs(pairs) };
}

function readPairs(pairs: (string | null)[]): JsonObject {
  const params: JsonObject = {};
  for (let i = 0; i < pairs.length; i += 2) {
    const key = pairs[i];
    if (typeof key === 'string') params[key] = pairs[i + 1] ?? '';
  }
  return params;
}

export interface StoredPlan {
  version: string;
  flow: string;
  definition: Json;
  tasks: PlanTask[];
  /** Of executions that are started with options: the version without them. */
  base?: string | undefined;
  /** The step whose result is the execution's; absent: the last ones'. */
  output?: string | undefined;
}

/** Stores a version and its plan, once: storing it again changes nothing. */
export async function storePlan(db: Database, plan: StoredPlan): Promise<void> {
  await db.pool.query({
    name: 'storePlan',
    text: STORE,
    values: [
      plan.version,
      plan.flow,
      JSON.stringify(plan.definition),
      JSON.stringify(plan.tasks),
      plan.base ?? null,
      plan.output ?? null,
    ],
  });
  if (plan.flow === AD_HOC) await keepVersion(db, plan.version);
}

/** What no flow holds any more. */
const AD_HOC = 'adhoc';

/** It is about to be used again, so that nobody deletes it now. */
async function keepVersion(db: Database, version: string): Promise<void> {
  await db.pool.query({
    name: 'keepVersion',
    text: `update ms_flow_version set created_ts = now() where version = $1 and created_ts < now() - interval '1 minute'`,
    values: [version],
  });
}

const STORE = `
  with stored as (
    insert into ms_flow_version (version, task_id, definition, base, output) values ($1, $2, $3, $5, $6) on conflict do nothing returning version
  )
  insert into ms_plan (version, task_exec_seq, task_seq, step, program, task_priority, pool, parameters, depends, edges, need, releases, wire_on, waiting_on, live, selected, limited, options)
  select s.version, t."execSeq", t.seq, t.step, t.program, t.priority, t.pool, t.params, t.depends, t.edges, t.need, t.releases, t."wireOn", t."waitingOn", t.live, coalesce(t.selected, true), coalesce(t.limited, false), t.options
  from stored s, json_to_recordset($4::json) t("execSeq" numeric, seq numeric, step text, program text, priority numeric, pool text, params json,
    depends numeric[], edges text[], need int, releases numeric[], "wireOn" smallint, "waitingOn" int, live int, selected boolean, limited boolean, options jsonb)`;
