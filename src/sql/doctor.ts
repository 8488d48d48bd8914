// What `umbel doctor` asks our own tables: watchers that are silent or missing, work that nobody can do. Called by registrar/doctor.ts;
// a statement a check, and none that reads history.
import { sql } from 'kysely';
import type { Db } from './database.ts';

export interface WatcherLease {
  id: number;
  name: string;
  pool: string;
  /** Seconds past the end of its lease; negative: it lives. */
  overdue: number;
}

export async function listLeases(db: Db): Promise<WatcherLease[]> {
  const { rows } = await sql<WatcherLease>`
    select watcher_id id, name, pool, extract(epoch from now() - lease_until)::float8 overdue from kr_watcher order by watcher_id`.execute(
    db,
  );
  return rows;
}

/** Pools in which a task is ready and that no live watcher serves. Walks the claim index pool by pool. */
export async function listUnservedPools(db: Db): Promise<string[]> {
  const { rows } = await sql<{ pool: string }>`
    with recursive p as (
      (select pool from kr_task_stat where ready and not limited order by pool limit 1)
      union all
      select (select t.pool from kr_task_stat t where t.ready and not t.limited and t.pool > p.pool order by t.pool limit 1) from p where p.pool is not null
    )
    select pool from p where pool is not null and pool not in (select w.pool from kr_watcher w where w.lease_until > now())`.execute(
    db,
  );
  return rows.map(({ pool }) => pool);
}

export interface UnknownProgram {
  program: string;
  pool: string;
  flows: string[];
}

/** Programs of current definitions that no live watcher of their pool knows; pools without any are another matter. */
export async function listUnknownPrograms(db: Db): Promise<UnknownProgram[]> {
  const { rows } = await sql<UnknownProgram>`
    with live as (select pool, programs from kr_watcher where lease_until > now())
    select d.program, coalesce(d.pool, 'default') pool, array_agg(distinct d.task_id::text order by d.task_id::text) flows
    from ms_task_definition d
    where exists (select from live l where l.pool = coalesce(d.pool, 'default'))
      and not exists (select from live l where l.pool = coalesce(d.pool, 'default') and d.program = any (l.programs))
    group by 1, 2 order by 1, 2`.execute(db);
  return rows;
}

export interface Orphans {
  watcher: number;
  tasks: number;
  /** One of them, as an example. */
  execution: string;
}

/** Running tasks by the watcher that holds them by the books and is dead or gone. */
export async function listOrphans(db: Db): Promise<Orphans[]> {
  const { rows } = await sql<Orphans>`
    select c.watcher_id watcher, count(distinct (t.task_flow_id, t.task_exec_seq))::int tasks, min(t.task_flow_id) execution
    from kr_claim c cross join lateral unnest(c.flows, c.seqs) h(flow, seq)
    join kr_task_stat t on t.task_flow_id = h.flow and t.task_exec_seq = h.seq and t.exec_status = 1 and t.watcher_id = c.watcher_id
    where not exists (select from kr_watcher w where w.watcher_id = c.watcher_id and w.lease_until > now())
    group by 1 order by 1`.execute(db);
  return rows;
}

export interface PlaceQueue {
  flow: string;
  /** null: the limit was taken away. */
  limit: number | null;
  waiting: number;
  /** Seconds that the first of them has waited. */
  longest: number;
  holding: number;
  /** Of those that hold a place: stand failed, until somebody resumes, skips or aborts. */
  failed: number;
}

/** Flows with `max_running` in which executions wait for a place. */
export async function listPlaceQueues(db: Db): Promise<PlaceQueue[]> {
  const { rows } = await sql<PlaceQueue>`
    select k.task_id flow, f.max_running "limit", count(*) filter (where k.place = 0)::int waiting,
      extract(epoch from now() - min(k.registered_ts) filter (where k.place = 0))::float8 longest,
      count(*) filter (where k.place = 1)::int holding,
      count(*) filter (where k.place = 1 and k.flow_status = 'failed')::int failed
    from kr_flow_stat k left join ms_flow f on f.task_id = k.task_id
    where k.place in (0, 1) group by 1, 2 having bool_or(k.place = 0) order by 1`.execute(db);
  return rows;
}
