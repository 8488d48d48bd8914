// Lines that programs logged: written by watchers, many at once, and read by people.
import { sql } from 'kysely';
import type { Json } from '../dag/vocabulary.ts';
import type { Database, Db } from './database.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface LogLine {
  flow: string;
  seq: string;
  attempt: number;
  /** Of the attempt, from 1. */
  line: number;
  level: LogLevel;
  message: string;
  /** JSON text. */
  fields: string | null;
  /** Milliseconds since 1970. */
  at: number;
}

/** Stores lines; those that are stored already, and those of tasks that were deleted, are passed over. */
export async function writeLogLines(db: Database, lines: LogLine[]): Promise<void> {
  await db.pool.query({
    name: 'writeLogLines',
    // The limit makes each a look-up by key, whatever the statistics say.
    text: `insert into kr_task_log (task_flow_id, task_exec_seq, attempt, line_no, level, message, fields, logged_ts)
           select l.flow, l.seq, l.attempt, l.line, l.level, l.message, l.fields, to_timestamp(l.at / 1000)
           from unnest($1::text[], $2::numeric[], $3::int[], $4::int[], $5::text[], $6::text[], $7::jsonb[], $8::float8[])
             l(flow, seq, attempt, line, level, message, fields, at)
           cross join lateral (select from kr_task_stat t where t.task_flow_id = l.flow and t.task_exec_seq = l.seq limit 1) k
           on conflict do nothing`,
    values: [
      lines.map((l) => l.flow),
      lines.map((l) => l.seq),
      lines.map((l) => l.attempt),
      lines.map((l) => l.line),
      lines.map((l) => l.level),
      lines.map((l) => l.message),
      lines.map((l) => l.fields),
      lines.map((l) => l.at),
    ],
  });
}

export interface StoredLine {
  attempt: number;
  line: number;
  level: LogLevel;
  message: string;
  fields: Json;
  time: Date;
}

/** The last line that was read: of which attempt, and its number. */
export interface LogPosition {
  attempt: number;
  line: number;
}

export interface TaskLogFilter {
  flow: string;
  seq: string;
  levels: LogLevel[];
  after: LogPosition;
  limit: number;
}

/** Milliseconds after a task's end until which a line may still come: the database was slow to take it. */
const LATECOMERS = 500;

/** The next lines of a task, the oldest first, and whether it has ended so that no more come; null when the task is gone. */
export async function readTaskLog(
  db: Db,
  { flow, seq, levels, after, limit }: TaskLogFilter,
): Promise<{ lines: StoredLine[]; ended: boolean } | null> {
  const { rows } = await sql<{ ended: boolean; lines: (StoredLine & { at: string })[] }>`
    select t.exec_status in (2, 3, 9)
        and coalesce(t.finished_ts, t.suspended_ts, '-infinity') < clock_timestamp() - ${LATECOMERS} * interval '1 millisecond' ended,
      (select coalesce(json_agg(l order by l.attempt, l.line), '[]') from (
        select k.attempt, k.line_no line, k.level, k.message, k.fields, k.logged_ts time from kr_task_log k
        where k.task_flow_id = ${flow} and k.task_exec_seq = ${seq}::numeric and (k.attempt, k.line_no) > (${after.attempt}::int, ${after.line}::int)
          and k.level = any (${levels}) order by k.attempt, k.line_no limit ${limit}) l) lines
    from kr_task_stat t where t.task_flow_id = ${flow} and t.task_exec_seq = ${seq}::numeric`.execute(db);
  const [row] = rows;
  if (row === undefined) return null;
  return { ended: row.ended, lines: row.lines.map((line) => ({ ...line, time: new Date(line.time) })) };
}

export interface StepLine extends StoredLine {
  flow: string;
  seq: string;
  registeredText: string;
}

/** Of the last line that was read: when its execution was registered and its id, and the line. */
export interface StepLogPosition extends LogPosition {
  registeredText: string;
  flow: string;
  seq: string;
}

/** Executions that are looked through for lines of a step. */
const LOOKED_AT = 1_000;

/** Lines of a step of a flow, whatever execution they are of: those of the newest execution first, of each the newest first. */
export async function readStepLog(
  db: Db,
  request: { tenant: string; flow: string; step: string; before: StepLogPosition | null; limit: number },
): Promise<StepLine[]> {
  const { tenant, flow, step, before, limit } = request;
  const { rows } = await sql<StepLine>`
    select l.task_flow_id flow, trim_scale(l.task_exec_seq)::text seq, l.attempt, l.line_no line, l.level, l.message, l.fields, l.logged_ts time,
      to_char(f.registered_ts at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') "registeredText"
    from (
      select e.task_flow_id, e.registered_ts from kr_flow_stat e
      where e.tenant = ${tenant} and e.task_id = ${flow}
        and (${before?.flow ?? null}::text is null
          or (e.registered_ts, e.task_flow_id) <= (${before?.registeredText ?? null}::timestamptz, ${before?.flow ?? null}::text collate "C"))
      order by e.registered_ts desc, e.task_flow_id desc limit ${LOOKED_AT}) f
    cross join lateral (
      select t.task_exec_seq from kr_task_stat t
      left join ms_plan p on p.version = t.version and p.task_exec_seq = t.task_exec_seq
      left join ms_task_definition d on t.version is null and d.task_id = t.task_id and d.task_seq = t.task_seq
      where t.task_flow_id = f.task_flow_id and ${step} in (p.step, d.step_id, trim_scale(t.task_seq)::text)) t
    cross join lateral (
      select k.* from kr_task_log k where k.task_flow_id = f.task_flow_id and k.task_exec_seq = t.task_exec_seq
        and (f.task_flow_id is distinct from ${before?.flow ?? null}::text
          or (k.task_exec_seq, k.attempt, k.line_no) < (${before?.seq ?? null}::numeric, ${before?.attempt ?? null}::int, ${before?.line ?? null}::int))
      order by k.attempt desc, k.line_no desc limit ${limit}) l
    order by f.registered_ts desc, f.task_flow_id desc, l.task_exec_seq desc, l.attempt desc, l.line_no desc
    limit ${limit}`.execute(db);
  return rows;
}

/** Whether the tenant has such a step, in the flow as it is or in an execution of it. */
export async function hasStep(
  db: Db,
  { tenant, flow, step }: { tenant: string; flow: string; step: string },
): Promise<boolean> {
  const { rows } = await sql`
    select from ms_flow f where f.task_id = ${flow} and f.tenant = ${tenant} and (
      exists (select from ms_task_definition d where d.task_id = f.task_id and ${step} in (d.step_id, trim_scale(d.task_seq)::text))
      or exists (select from ms_flow_version v join ms_plan p on p.version = v.version where v.task_id = f.task_id and p.step = ${step}))`.execute(
    db,
  );
  return rows.length > 0;
}
