// Writes definitions, and reads what else there is to know of them. Called by registrar/definition/.
import { CompiledQuery, sql } from 'kysely';
import type { Json, JsonObject, Step } from '../dag/vocabulary.ts';
import type { Database, Db, Tx } from './database.ts';
import { type Definition, type Owner, readDefinition } from './definitions.ts';
import { emitEvents, type NewEvent } from './emit.ts';

/** What becomes of a flow's rows. */
export interface FlowWrite {
  head: {
    name: string | null;
    description: string | null;
    maxRunning: number | null;
    type: string | null;
    cron: string | null;
    timezone: string | null;
    settings: JsonObject | null;
  };
  /** Absent: who they are already; of a new flow its creator and the tenant. */
  owners?: Owner[];
  /** Rows that are new or not what they were. */
  rows: Step[];
  /** Seqs of the rows that go. */
  gone: string[];
}

/**
 * Changes a flow while nobody else does: `edit` is given the definition, null when it has no steps, and says what to write,
 * null for nothing. When it throws, nothing has happened.
 */
export async function editFlow<Result>(
  db: Database,
  { flow, tenant, user }: { flow: string; tenant: string; user?: string | undefined },
  edit: (stored: Definition | null) => { write: FlowWrite | null; result: Result; events?: NewEvent[] },
): Promise<Result> {
  return db.kysely.transaction().execute(async (tx) => {
    await lockFlow(tx, flow, tenant);
    const stored = await readDefinition(tx, flow);
    const { write, result, events = [] } = edit(stored);
    if (write !== null) {
      if (stored === null) await beginFlow(tx, flow, tenant, ownersOf(tenant, user));
      await writeHead(tx, flow, write);
      await deleteSteps(tx, flow, write.gone);
      await writeSteps(tx, flow, write.rows);
      if (write.rows.length === 0 && write.gone.length > 0) await dropSnapshots(tx, flow);
    }
    await emitEvents(tx, events);
    return result;
  });
}

async function lockFlow(tx: Tx, flow: string, tenant: string): Promise<void> {
  await sql`insert into ms_flow (task_id, tenant) values (${flow}, ${tenant}) on conflict do nothing`.execute(
    tx,
  );
  await sql`select from ms_flow where task_id = ${flow} for update`.execute(tx);
}

/** Somebody at the command line leaves it to the tenant. */
function ownersOf(tenant: string, user: string | undefined): Owner[] {
  if (user === undefined) return [];
  return [
    { id: user, type: 'user' },
    { id: tenant, type: 'tenant' },
  ];
}

/** The row of a flow that was deleted is still there. */
async function beginFlow(tx: Tx, flow: string, tenant: string, owners: Owner[]): Promise<void> {
  await sql`
    update ms_flow set tenant = ${tenant}, owners = ${JSON.stringify(owners)}::jsonb, status = 'inactive', status_ts = now(),
      started_by = null, created_ts = now()
    where task_id = ${flow}`.execute(tx);
}

async function writeHead(tx: Tx, flow: string, { head, owners }: FlowWrite): Promise<void> {
  const { name, description, maxRunning, type, cron, timezone } = head;
  const settings = head.settings === null ? null : JSON.stringify(head.settings);
  const given = owners === undefined ? null : JSON.stringify(owners);
  await sql`
    update ms_flow set owners = coalesce(${given}::jsonb, owners), name = ${name}, description = ${description}, max_running = ${maxRunning},
      type = ${type}, cron = ${cron}, timezone = ${timezone}, settings = ${settings}::jsonb, updated_ts = now()
    where task_id = ${flow}`.execute(tx);
}

async function deleteSteps(tx: Tx, flow: string, seqs: string[]): Promise<void> {
  if (seqs.length === 0) return;
  await sql`delete from ms_task_definition where task_id = ${flow} and task_seq = any (${seqs}::numeric[])`.execute(
    tx,
  );
}

/** What steps remember goes with the last of them. */
async function dropSnapshots(tx: Tx, flow: string): Promise<void> {
  await sql`
    delete from ms_snapshot s where s.task_id = ${flow}
      and not exists (select from ms_task_definition d where d.task_id = s.task_id)`.execute(tx);
}

/** Rows that leave nothing to their place among the others, nor to Flower's pairs. */
async function writeSteps(tx: Tx, flow: string, rows: Step[]): Promise<void> {
  if (rows.length === 0) return;
  await tx.executeQuery(CompiledQuery.raw(WRITE_STEPS, [flow, JSON.stringify(rows)]));
}

const WRITE_STEPS = `
  insert into ms_task_definition as d (task_id, task_seq, step_id, program, task_priority, pool, params, after, before, options)
  select $1, r.seq, r.id, r.program, r.priority, r.pool, r.params, r.after, r.before, r.options
  from json_to_recordset($2::json) r(seq numeric, id text, program text, priority numeric, pool text, params jsonb,
    after text[], before text[], options jsonb)
  on conflict (task_id, task_seq) do update set step_id = excluded.step_id, program = excluded.program,
    task_priority = excluded.task_priority, pool = excluded.pool, params = excluded.params, after = excluded.after,
    before = excluded.before, options = excluded.options, depends_task_seq = null,
    param1_key = null, param1_value = null, param2_key = null, param2_value = null, param3_key = null, param3_value = null,
    param4_key = null, param4_value = null, param5_key = null, param5_value = null`;

export interface FlowVersionRow {
  version: string;
  createdAt: Date;
  definition: Json;
}

/** Versions that a flow has had, newest first; at most 100. */
export async function listVersions(db: Db, flow: string): Promise<FlowVersionRow[]> {
  const { rows } = await sql<FlowVersionRow>`
    select version, created_ts "createdAt", definition from ms_flow_version
    where task_id = ${flow} and base is null order by created_ts desc, version limit 100`.execute(db);
  return rows;
}
