// How long tasks have waited, and how long they have left. Called by watcher/times.ts, for tasks that limit these.
import type { Database } from './database.ts';

export interface TimedTask {
  flow: string;
  seq: string;
  attempt: number;
  /** Milliseconds for all attempts; null: no limit. */
  total: number | null;
}

export interface Spent {
  flow: string;
  seq: string;
  /** Milliseconds since it could have begun; null: it has begun before. */
  waited: number | null;
  /** Milliseconds until it must have ended, at most 0 when that is over; null: no limit. */
  left: number | null;
}

/** Counts from the moment in which the last predecessor ended; a task that a hand set back counts from its next attempt. */
export async function readSpent(db: Database, tasks: TimedTask[]): Promise<Spent[]> {
  const { rows } = await db.pool.query<Spent>({
    name: 'readSpent',
    text: `with asked as (
             select u.flow, u.seq, u.attempt, u.total * interval '1 millisecond' total, clock_timestamp() at,
               case when u.attempt = 1 then greatest(t.registered_ts, (
                 select max(p.finished_ts) from unnest(t.depends) d(seq)
                 join kr_task_stat p on p.task_flow_id = u.flow and p.task_exec_seq = d.seq)) end since
             from unnest($1::text[], $2::numeric[], $3::int[], $4::float8[]) u(flow, seq, attempt, total)
             join kr_task_stat t on t.task_flow_id = u.flow and t.task_exec_seq = u.seq
           ), kept as (
             insert into kr_limit (task_flow_id, task_exec_seq, until_ts)
             select a.flow, a.seq, coalesce(a.since, a.at) + a.total from asked a where a.total is not null
             on conflict do nothing
           )
           select a.flow, trim_scale(a.seq)::text seq,
             (extract(epoch from a.at - a.since) * 1000)::float8 waited,
             (extract(epoch from coalesce(l.until_ts, coalesce(a.since, a.at) + a.total) - a.at) * 1000)::float8 "left"
           from asked a left join kr_limit l on a.total is not null and l.task_flow_id = a.flow and l.task_exec_seq = a.seq`,
    values: [
      tasks.map(({ flow }) => flow),
      tasks.map(({ seq }) => seq),
      tasks.map(({ attempt }) => attempt),
      tasks.map(({ total }) => total),
    ],
  });
  return rows;
}
