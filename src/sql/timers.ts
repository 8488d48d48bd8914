// Timers: tasks that wait for a time. Called by the watcher's timekeeper.
import type { Database } from './database.ts';

export interface FiredTimers {
  /** Pools in which tasks became ready, with the most urgent priority of each. */
  ready: { pool: string; priority: number }[];
  /** Milliseconds until the next timer is due, at least 0; undefined: there is none. */
  next: number | undefined;
}

/** Makes ready what has waited long enough, at most `most` tasks. */
export async function fireTimers(db: Database, most: number): Promise<FiredTimers> {
  const fired = await db.pool.query<{ pool: string; task_priority: string }>({
    name: 'umbel_fire_v1',
    text: 'select * from umbel_fire_v1($1)',
    values: [most],
  });
  const next = await db.pool.query<{ ms: number }>({
    name: 'nextTimer',
    text: 'select greatest(0, extract(epoch from due_ts - clock_timestamp()) * 1000)::float8 ms from kr_timer order by due_ts limit 1',
  });
  return {
    ready: fired.rows.map(({ pool, task_priority }) => ({ pool, priority: Number(task_priority) })),
    next: next.rows[0]?.ms,
  };
}
