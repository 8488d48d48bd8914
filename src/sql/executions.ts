// Reads executions and their tasks. Called by registrar/executions.ts.
import { type RawBuilder, sql } from 'kysely';
import type { ExecStatus, Json, JsonObject } from '../dag/vocabulary.ts';
import type { Db } from './database.ts';
import { readOutput } from './ends.ts';
import { readSurroundings, type Surroundings } from './why.ts';

export interface ExecutionRow {
  id: string;
  flow: string;
  version: string | null;
  tenant: string;
  status: string;
  input: Json;
  output: Json;
  /** Its own, or else that of its first failed task. */
  error: Json;
  trigger: Json;
  parent: string | null;
  /** Whether it stands in line for one of its flow's places (`max_running`). */
  queued: boolean;
  registeredAt: Date;
  /** The same to the microsecond, to go on from. */
  registeredText: string;
  startedAt: Date | null;
  finishedAt: Date | null;
  deadline: Date | null;
}

export interface TaskRow {
  seq: string;
  /** null: inserted by hand, with no definition under its task_id and task_seq. */
  step: string | null;
  program: string | null;
  execStatus: ExecStatus;
  reason: string | null;
  attempt: number;
  priority: string;
  pool: string;
  params: JsonObject;
  input: Json;
  output: Json;
  error: Json;
  taskId: string;
  taskSeq: string;
  /** Exec seqs of the predecessors that it still waits for, the first few. */
  waitsFor: string[];
  /** Which end of each of these counts. */
  waitsForEnds: string[];
  /** How many these are in all. */
  waitsForCount: number;
  /** Arrivals that are enough; null: all. */
  need: number | null;
  /** null: inserted or edited by hand and not wired yet. */
  waitingOn: number | null;
  ready: boolean;
  hold: boolean;
  /** Whether a live watcher serves its pool. */
  served: boolean;
  /** Whether one of these knows its program. */
  known: boolean;
  /** Ready tasks of the execution with its pool and priority that are claimed before it; null: it is not ready itself. */
  behind: number | null;
  /** With which somebody else answers for it; null when its step awaits no callback. */
  callbackToken: string | null;
  registeredAt: Date | null;
  startedAt: Date | null;
  finishedAt: Date | null;
  suspendedAt: Date | null;
}

/** Where a list goes on: after the execution with these values. */
export interface ListPosition {
  registeredText: string;
  id: string;
}

export interface ListFilter {
  tenant: string;
  flow: string | null;
  status: string | null;
  /** Registered at that time or later, and before this one. */
  since?: Date | null;
  until?: Date | null;
  after: ListPosition | null;
  limit: number;
}

export interface FoundExecution {
  execution: ExecutionRow;
  tasks: TaskRow[];
  surroundings: Surroundings;
}

/** Newest first. */
export async function listExecutions(db: Db, filter: ListFilter): Promise<ExecutionRow[]> {
  const { tenant, flow, status, since = null, until = null, after, limit } = filter;
  // What is derived from tasks can only be judged one by one; everything else is cut off before any task is looked at.
  const stored = storedStatus(status);
  const most = stored === status ? limit : null;
  const { rows } = await sql<ExecutionRow>`
    select * from (${selectExecutions(sql`(
      select f.* from kr_flow_stat f
      where f.tenant = ${tenant}
        and (${flow}::text is null or f.task_id = ${flow})
        and (${stored}::text is null or f.flow_status = ${stored})
        and (${since}::timestamptz is null or f.registered_ts >= ${since})
        and (${until}::timestamptz is null or f.registered_ts < ${until})
        and (${after?.id ?? null}::text is null
          or (f.registered_ts, f.task_flow_id) < (${after?.registeredText ?? null}::timestamptz, ${after?.id ?? null}::text collate "C"))
      order by f.registered_ts desc, f.task_flow_id desc limit ${most}::bigint)`)}) e
    where (${status}::text is null or e.status = ${status})
    order by e."registeredAt" desc, e.id desc
    limit ${limit}`.execute(db);
  return rows;
}

/** The status as stored, of which a derived one is a part. */
function storedStatus(status: string | null): string | null {
  return status !== null && ['pending', 'running', 'waiting', 'stopped'].includes(status) ? 'open' : status;
}

/** The status of one execution; null when the tenant has none with this id. */
export async function readStatus(
  db: Db,
  { tenant, id }: { tenant: string; id: string },
): Promise<string | null> {
  const { rows } = await sql<{ status: string }>`
    select e.status from (${selectExecutions(allExecutions)}) e where e.id = ${id} and e.tenant = ${tenant}`.execute(
    db,
  );
  return rows[0]?.status ?? null;
}

/** One execution with its tasks in order of exec seq, both as of one moment; null when the tenant has none with this id. */
export async function readExecution(
  db: Db,
  { tenant, id }: { tenant: string; id: string },
): Promise<FoundExecution | null> {
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (tx) => {
      const { rows } = await sql<ExecutionRow>`
        select * from (${selectExecutions(allExecutions)}) e where e.id = ${id} and e.tenant = ${tenant}`.execute(
        tx,
      );
      const [found] = rows;
      if (found === undefined) return null;
      const execution = { ...found, output: await readOutput(tx, id) };
      const tasks = await readTasks(tx, id);
      return { execution, tasks, surroundings: await readSurroundings(tx, execution, tasks) };
    });
}

const allExecutions = sql`kr_flow_stat`;

const livePools = sql`select w.pool from kr_watcher w where w.lease_until > now()`;

/** Of the predecessors that a task waits for, so many are named. */
const NAMED = 5;

const predecessors = sql`
  from unnest(coalesce(t.depends, array[t.depends_task_exec_seq]), t.edges) u(seq, kind)
  join kr_task_stat b on b.task_flow_id = t.task_flow_id and b.task_exec_seq = u.seq
  where umbel_edge(u.kind, b.exec_status, b.reason, b.chosen, t.task_exec_seq) = 'open'`;

// An open execution is running, waiting, pending or stopped by what its tasks do; watchers are needed for what could move by itself.
const selectExecutions = (from: RawBuilder<unknown>) => sql`
  select f.task_flow_id id, f.task_id flow, coalesce((select v.base from ms_flow_version v where v.version = f.version), f.version) version, f.tenant, f.input, f.output, f.trigger, f.parent_flow_id parent,
    coalesce(f.error, case when f.flow_status = 'failed' then t.error end) error,
    case
      when f.flow_status <> 'open' then f.flow_status
      when t.movable and not t.served then 'stopped'
      when not t.begun then 'pending'
      when t.moving then 'running'
      else 'waiting'
    end status,
    f.place is not distinct from 0 and f.flow_status = 'open' queued,
    f.registered_ts "registeredAt", f.finished_ts "finishedAt", f.deadline_ts deadline, t.started_ts "startedAt",
    to_char(f.registered_ts at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') "registeredText"
  from ${from} f cross join lateral (
    select min(k.started_ts) started_ts,
      coalesce(bool_or(k.started_ts is not null or k.exec_status <> 0), false) begun,
      coalesce(bool_or(k.ready or k.exec_status = 1), false) moving,
      coalesce(bool_or(k.exec_status = 1 or k.exec_status = 0 and k.waiting_on = 0 and not k.hold), false) movable,
      coalesce(bool_or((k.exec_status = 1 or k.exec_status = 0 and k.waiting_on = 0 and not k.hold) and k.pool in (${livePools})), false) served,
      (array_agg(k.error order by k.task_exec_seq) filter (where k.exec_status = 2 and k.reason = 'failed'))[1] error
    from kr_task_stat k where k.task_flow_id = f.task_flow_id
  ) t`;

async function readTasks(db: Db, id: string): Promise<TaskRow[]> {
  const { rows } = await sql<TaskRow>`
    select trim_scale(t.task_exec_seq)::text seq,
      coalesce(p.step, d.step_id, trim_scale(d.task_seq)::text) step, coalesce(p.program, d.program) program,
      t.exec_status::int "execStatus", t.reason, t.attempt, trim_scale(t.task_priority)::text priority, t.pool,
      t.parameters params, t.input, t.result output, t.error,
      t.task_id "taskId", trim_scale(t.task_seq)::text "taskSeq",
      array(select trim_scale(b.task_exec_seq)::text ${predecessors} order by b.task_exec_seq limit ${NAMED}) "waitsFor",
      array(select coalesce(u.kind, 'succeeded') ${predecessors} order by b.task_exec_seq limit ${NAMED}) "waitsForEnds",
      (select count(*)::int ${predecessors}) "waitsForCount",
      t.need, t.waiting_on "waitingOn", t.ready, t.hold, t.pool in (${livePools}) served,
      exists (select from kr_watcher w where w.lease_until > now() and w.pool = t.pool and coalesce(p.program, d.program) = any (w.programs)) known,
      case when t.ready then row_number() over (partition by t.ready, t.pool, t.task_priority order by t.task_exec_seq desc)::int - 1 end behind,
      (select w.token from kr_wait w where w.task_flow_id = t.task_flow_id and w.task_exec_seq = t.task_exec_seq and w.kind = 'callback'
        and t.exec_status in (0, 1, 2)) "callbackToken",
      t.registered_ts "registeredAt", t.started_ts "startedAt", t.finished_ts "finishedAt", t.suspended_ts "suspendedAt"
    from kr_task_stat t
    left join ms_plan p on p.version = t.version and p.task_exec_seq = t.task_exec_seq
    left join ms_task_definition d on t.version is null and d.task_id = t.task_id and d.task_seq = t.task_seq
    where t.task_flow_id = ${id}
    order by t.task_exec_seq`.execute(db);
  return rows;
}
