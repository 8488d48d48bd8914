// A watcher's membership: joining, heartbeats, leaving, and taking back the tasks of those that died.
import type { QueryConfig } from 'pg';
import type { Database } from './database.ts';

export interface WatcherRecord {
  /** Host and process, for people. */
  name: string;
  pool: string;
  workers: number;
  programs: string[];
  release: string;
  /** Milliseconds of silence after which the watcher counts as dead. */
  lease: number;
}

export interface HeldTask {
  flow: string;
  seq: string;
  attempt: number;
}

export interface RescuedTask {
  watcher: number;
  flow: string;
  seq: string;
  /** Suspended: lost as often as the limit allows. Otherwise it waits again. */
  suspended: boolean;
}

/** Registers the watcher and returns its id. */
export async function joinWatchers(db: Database, record: WatcherRecord): Promise<number> {
  const { rows } = await db.pool.query<{ watcher_id: number }>(
    `insert into kr_watcher (name, pool, workers, programs, release, lease_until)
     values ($1, $2, $3, $4, $5, clock_timestamp() + $6 * interval '1 millisecond') returning watcher_id`,
    [record.name, record.pool, record.workers, record.programs, record.release, record.lease],
  );
  return rows[0]!.watcher_id;
}

/** Renews the lease. `alive` is false when the watcher was declared dead; `others` counts the live watchers of its pool besides it. */
export async function heartbeat(
  db: Database,
  watcher: number,
  lease: number,
): Promise<{ alive: boolean; others: number }> {
  const statement: QueryConfig & { query_timeout: number } = {
    name: 'heartbeat',
    text: `update kr_watcher w set lease_until = clock_timestamp() + $2 * interval '1 millisecond' where w.watcher_id = $1
           returning (select count(*)::int from kr_watcher o where o.pool = w.pool and o.watcher_id <> w.watcher_id) others`,
    values: [watcher, lease],
    // One connection that has gone silent shall not cost the lease: the next heartbeat takes another.
    query_timeout: lease / 2,
  };
  const { rows } = await db.pool.query<{ others: number }>(statement);
  return { alive: rows.length > 0, others: rows[0]?.others ?? 0 };
}

/** Signs the watcher off; whatever it still holds is taken back by the next rescue. */
export async function leaveWatchers(db: Database, watcher: number): Promise<void> {
  await db.pool.query('delete from kr_watcher where watcher_id = $1', [watcher]);
}

/** Hands tasks back to Wait, but for those whose rows are locked. Of tasks that never began the attempt does not count. */
export async function returnTasks(
  db: Database,
  watcher: number,
  tasks: HeldTask[],
  begun: boolean,
): Promise<number> {
  const { rows } = await db.pool.query<{ returned: number }>({
    name: 'umbel_return_v1',
    text: 'select umbel_return_v1($1, $2, $3, $4, $5) returned',
    values: [watcher, tasks.map((t) => t.flow), tasks.map((t) => t.seq), tasks.map((t) => t.attempt), begun],
  });
  return rows[0]!.returned;
}

/**
 * Hands back what the watcher holds by the books but does not know of: the answer to a call was lost on the way. Batches after `upto`
 * are none of its business, so that it does no harm when it arrives late itself.
 */
export async function returnStrays(
  db: Database,
  watcher: number,
  known: { flow: string; seq: string }[],
  upto = Number.MAX_SAFE_INTEGER,
): Promise<number> {
  const { rows } = await db.pool.query<{ returned: number }>(
    'select umbel_return_strays_v1($1, $2, $3, $4) returned',
    [watcher, known.map((t) => t.flow), known.map((t) => t.seq), upto],
  );
  return rows[0]!.returned;
}

/** Which of the tasks, by position, the watcher does not hold any more: somebody else changed their rows. */
export async function findTakenAway(db: Database, watcher: number, tasks: HeldTask[]): Promise<number[]> {
  const { rows } = await db.pool.query<{ ordinal: number }>({
    name: 'findTakenAway',
    // The limit makes each a look-up by key, whatever the statistics say.
    text: `select u.ordinal::int from unnest($2::text[], $3::numeric[], $4::int[]) with ordinality u(flow, seq, attempt, ordinal)
           left join lateral (
             select true held from kr_task_stat t where t.task_flow_id = u.flow and t.task_exec_seq = u.seq
               and t.exec_status = 1 and t.watcher_id = $1 and t.attempt = u.attempt limit 1) k on true
           where k.held is null order by u.ordinal`,
    values: [watcher, tasks.map((t) => t.flow), tasks.map((t) => t.seq), tasks.map((t) => t.attempt)],
  });
  return rows.map(({ ordinal }) => ordinal - 1);
}

/**
 * Takes back the tasks of every watcher whose lease ran out. Reads only what those had claimed. Does nothing while the server
 * has been up for less than `patience` milliseconds: until then nobody could renew a lease.
 */
export async function rescueTasks(db: Database, lostLimit: number, patience = 0): Promise<RescuedTask[]> {
  const { rows } = await db.pool.query<{
    watcher_id: number;
    task_flow_id: string;
    task_exec_seq: string;
    exec_status: string;
  }>({
    name: 'umbel_rescue_v1',
    text: `select r.* from (
             select $1::int lost_limit where pg_postmaster_start_time() <= clock_timestamp() - $2 * interval '1 millisecond'
           ) may cross join lateral umbel_rescue_v1(may.lost_limit) r`,
    values: [lostLimit, patience],
  });
  return rows.map((r) => ({
    watcher: r.watcher_id,
    flow: r.task_flow_id,
    seq: r.task_exec_seq,
    suspended: r.exec_status === '2',
  }));
}
