// Schedules of flows and what became of their times. Called by triggers/: fire.ts inside a transaction that holds the schedules,
// scheduler.ts and schedules.ts outside of one.
import { sql } from 'kysely';
import type { Json, JsonObject } from '../dag/vocabulary.ts';
import type { Database, Db, Tx } from './database.ts';

export type FireDecision = 'fired' | 'queued' | 'skipped' | 'missed' | 'cancelled' | 'failed';

export interface Schedule {
  flow: string;
  tenant: string;
  cron: string;
  timezone: string;
  decidedTo: Date;
  /** `flowSettings.schedule` of the flow. */
  policy: JsonObject | null;
}

export interface Fire {
  flow: string;
  slot: Date;
  decision: FireDecision;
  reason: string | null;
  through: Date | null;
  execution: string | null;
}

/** What still hangs on a schedule: executions of it that have not ended, and times that wait for them. */
export interface Backlog {
  live: string[];
  queued: number;
  oldest: Date | null;
}

export interface Agenda {
  now: Date;
  /** When the next schedule fires; null: none does. */
  due: Date | null;
  /** Whether times wait for executions to end. */
  waits: boolean;
}

const COLUMNS = sql`s.task_id flow, f.tenant, s.cron, s.timezone, s.decided_to "decidedTo", f.settings #> '{flowSettings,schedule}' policy`;

/** The database's clock: the one that all schedulers share. */
export async function readClock(db: Db): Promise<Date> {
  const { rows } = await sql<{ now: Date }>`select clock_timestamp() now`.execute(db);
  return rows[0]!.now;
}

/** Takes schedules that are due, or not worked out yet, with their flows; passes over what others hold. */
export async function claimDueSchedules(tx: Tx, now: Date, most: number): Promise<Schedule[]> {
  const { rows } = await sql<Schedule>`select * from umbel_claim_schedules_v1(${now}, ${most})`.execute(tx);
  return rows;
}

/** Flows of which times wait, at most so many. */
export async function listQueued(tx: Tx, most: number): Promise<string[]> {
  const { rows } = await sql<{ flow: string }>`
    select distinct r.task_id flow from kr_fire r where r.decision = 'queued' limit ${most}`.execute(tx);
  return rows.map(({ flow }) => flow);
}

/** Takes those of the schedules that have no execution which is known to go on. */
export async function claimIdleSchedules(tx: Tx, flows: string[]): Promise<Schedule[]> {
  const { rows } = await sql<Schedule>`
    select ${COLUMNS} from ms_schedule s join ms_flow f on f.task_id = s.task_id
    where s.task_id = any (${flows}) and not s.paused and f.status = 'active' and not exists (
      select from kr_fire r join kr_flow_stat k on k.task_flow_id = r.task_flow_id
      where r.task_id = s.task_id and r.live and k.flow_status in ('open', 'paused', 'compensating'))
    for update of s, f skip locked`.execute(tx);
  return rows;
}

/** By flow, for those that have any. The schedules must be held. */
export async function readBacklogs(tx: Tx, flows: string[]): Promise<Map<string, Backlog>> {
  await sql`
    update kr_fire r set live = false where r.live and r.task_id = any (${flows}) and not exists (
      select from kr_flow_stat k where k.task_flow_id = r.task_flow_id and k.flow_status in ('open', 'paused', 'compensating'))`.execute(
    tx,
  );
  const { rows } = await sql<Backlog & { flow: string }>`
    select r.task_id flow, coalesce(array_agg(r.task_flow_id) filter (where r.live), '{}')::text[] live,
      count(*) filter (where r.decision = 'queued')::int queued, min(r.slot) filter (where r.decision = 'queued') oldest
    from kr_fire r where r.task_id = any (${flows}) and (r.live or r.decision = 'queued') group by r.task_id`.execute(
    tx,
  );
  return new Map(rows.map(({ flow, ...backlog }) => [flow, backlog]));
}

/** Writes decisions down. A time that waited is decided on once more; any other keeps the first decision. */
export async function recordFires(tx: Tx, fires: Fire[]): Promise<void> {
  await sql`
    insert into kr_fire as r (task_id, slot, decision, reason, through, task_flow_id, live)
    select u.flow, u.slot, u.decision, u.reason, u.through, u.execution, u.decision = 'fired'
    from unnest(
      ${fires.map((fire) => fire.flow)}::text[], ${fires.map((fire) => toText(fire.slot))}::timestamptz[],
      ${fires.map((fire) => fire.decision)}::text[], ${fires.map((fire) => fire.reason)}::text[],
      ${fires.map((fire) => toText(fire.through))}::timestamptz[], ${fires.map((fire) => fire.execution)}::text[]
    ) u(flow, slot, decision, reason, through, execution)
    on conflict (task_id, slot) do update set decision = excluded.decision, reason = excluded.reason,
      task_flow_id = excluded.task_flow_id, live = excluded.live, decided_ts = excluded.decided_ts
    where r.decision = 'queued'`.execute(tx);
}

/** Remembers how far they are decided, and when they fire next; never: null. */
export async function advanceSchedules(
  tx: Tx,
  steps: { flow: string; decidedTo: Date; due: Date | null }[],
): Promise<void> {
  await sql`
    update ms_schedule s set decided_to = u.decided_to, due_execution = coalesce(u.due, 'infinity')
    from unnest(
      ${steps.map(({ flow }) => flow)}::text[], ${steps.map(({ decidedTo }) => toText(decidedTo))}::timestamptz[],
      ${steps.map(({ due }) => toText(due))}::timestamptz[]
    ) u(flow, decided_to, due)
    where s.task_id = u.flow`.execute(tx);
}

/** Executions that a later time of their schedule put an end to. */
export async function recordCancelled(tx: Tx, executions: string[], reason: string): Promise<void> {
  await sql`
    update kr_fire set decision = 'cancelled', reason = ${reason}, live = false
    where task_flow_id = any (${executions}) and decision = 'fired'`.execute(tx);
}

/** Forgets all but the newest decisions of these schedules. */
export async function pruneFires(tx: Tx, flows: string[], kept: number): Promise<void> {
  await sql`select umbel_prune_fires_v1(${flows}::text[], ${kept}::int)`.execute(tx);
}

/** What there is to wait for. */
export async function readAgenda(db: Database): Promise<Agenda> {
  const { rows } = await db.pool.query<Agenda>({
    name: 'readAgenda',
    text: `select clock_timestamp() now, exists (select from kr_fire where decision = 'queued') waits, (
             select nullif(s.due_execution, 'infinity') from ms_schedule s where not s.paused and s.due_execution is not null
             order by coalesce(s.due_execution, '-infinity') limit 1) due`,
  });
  return rows[0]!;
}

/** How many active schedules should have been looked at that long ago, and the one that waits longest. */
export async function readOverdue(
  db: Db,
  seconds: number,
): Promise<{ schedules: number; flow: string; seconds: number }> {
  const { rows } = await sql<{ schedules: number; flow: string; seconds: number }>`
    select count(*)::int schedules, (array_agg(o.task_id order by o.late desc))[1] flow, coalesce(max(o.late), 0)::float8 seconds
    from (
      select s.task_id, extract(epoch from clock_timestamp() - coalesce(s.due_execution, s.decided_to)) late
      from ms_schedule s join ms_flow f on f.task_id = s.task_id
      where not s.paused and f.status = 'active' and coalesce(s.due_execution, s.decided_to) < clock_timestamp() - ${seconds} * interval '1 s'
    ) o`.execute(db);
  return rows[0]!;
}

/** Flows that fire within a time from now. */
export async function listSoonDue(db: Database, withinMs: number, most: number): Promise<string[]> {
  const { rows } = await db.pool.query<{ flow: string }>({
    name: 'listSoonDue',
    text: `select s.task_id flow from ms_schedule s
           where not s.paused and coalesce(s.due_execution, '-infinity') <= clock_timestamp() + $1 * interval '1 ms'
           order by coalesce(s.due_execution, '-infinity') limit $2`,
    values: [withinMs, most],
  });
  return rows.map(({ flow }) => flow);
}

/** How a schedule stands; `due` is null while its flow is not active. */
export interface ScheduleState {
  flow: string;
  status: string;
  cron: string | null;
  timezone: string;
  due: Date | null;
  paused: boolean;
  now: Date;
  policy: Json;
}

/** Null when there is no such flow. */
export async function readSchedule(db: Db, tenant: string, flow: string): Promise<ScheduleState | null> {
  const { rows } = await sql<ScheduleState>`
    select f.task_id flow, f.status, f.cron, coalesce(f.timezone, 'UTC') timezone, nullif(s.due_execution, 'infinity') due,
      coalesce(s.paused, false) paused, clock_timestamp() now, f.settings #> '{flowSettings,schedule}' policy
    from ms_flow f left join ms_schedule s on s.task_id = f.task_id
    where f.task_id = ${flow} and f.tenant = ${tenant}`.execute(db);
  return rows[0] ?? null;
}

/** Its newest decisions, the newest first. */
export async function listFires(db: Db, flow: string, most: number): Promise<(Fire & { decidedAt: Date })[]> {
  const { rows } = await sql<Fire & { decidedAt: Date }>`
    select task_id flow, slot, decision, reason, through, task_flow_id execution, decided_ts "decidedAt"
    from kr_fire where task_id = ${flow} order by slot desc limit ${most}`.execute(db);
  return rows;
}

/** Takes one schedule, paused or not; undefined when there is none. */
export async function lockSchedule(
  tx: Tx,
  tenant: string,
  flow: string,
): Promise<(Schedule & { paused: boolean }) | undefined> {
  const { rows } = await sql<Schedule & { paused: boolean }>`
    select ${COLUMNS}, s.paused from ms_schedule s join ms_flow f on f.task_id = s.task_id
    where s.task_id = ${flow} and f.tenant = ${tenant} for update of s`.execute(tx);
  return rows[0];
}

/** Its times are not looked at until it goes on. */
export async function pauseSchedule(tx: Tx, flow: string): Promise<void> {
  await sql`update ms_schedule set paused = true where task_id = ${flow}`.execute(tx);
}

/** It goes on with the first time after that one. */
export async function resumeSchedule(tx: Tx, flow: string, decidedTo: Date): Promise<void> {
  await sql`
    update ms_schedule set paused = false, due_execution = null, decided_to = ${decidedTo} where task_id = ${flow}`.execute(
    tx,
  );
  await sql`select pg_notify('umbel', '{"schedules":true}')`.execute(tx);
}

function toText(time: Date | null): string | null {
  return time?.toISOString() ?? null;
}
