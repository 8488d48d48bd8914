// What stands around an execution and may keep its tasks from running: others' tasks, watchers, places, times. Called by executions.ts.
import { sql } from 'kysely';
import type { Db } from './database.ts';

/** How the ready tasks of one pool and priority stand in line. */
export interface Line {
  pool: string;
  priority: string;
  /** Ready tasks that are claimed before the first of them; counted up to COUNTED. */
  ahead: number;
  /** Programs that live watchers of the pool run at once. */
  workers: number;
}

/** A time that a task waits for. */
export interface Timer {
  seq: string;
  kind: string;
  due: Date;
}

/** What a task waits for outside. */
export interface Outside {
  seq: string;
  kind: string;
  /** Of a signal. */
  name: string | null;
  /** Of a callback, or the execution that it waits for. */
  token: string;
}

/** A limit that a task waits for. */
export interface Queued {
  seq: string;
  /** As in `kr_slot`: tenant, kind and name, time of a rate. */
  slot: string;
  limit: number;
  /** Tasks that run with that key, by execution and step; the first few. */
  holders: { flow: string; step: string }[];
}

export interface Surroundings {
  limits: Queued[];
  lines: Line[];
  timers: Timer[];
  outside: Outside[];
  /** Executions that have the places of its flow, the first few. */
  holders: string[];
}

/** Counting goes no further: a backlog of millions must not cost millions. */
export const COUNTED = 1000;

const HOLDERS = 3;

/** Asks only for what the execution's state makes matter. */
export async function readSurroundings(
  tx: Db,
  { id, flow, queued }: { id: string; flow: string; queued: boolean },
  tasks: { ready: boolean; execStatus: number; reason: string | null }[],
): Promise<Surroundings> {
  const waiting = tasks.filter(({ execStatus }) => execStatus === 0);
  const lines = waiting.some(({ ready }) => ready) ? await readLines(tx, id) : [];
  const isOutside = tasks.some(({ execStatus, reason }) => execStatus === 2 && OUTSIDE.has(reason ?? ''));
  const timers = waiting.length > 0 || isOutside ? await readTimers(tx, id) : [];
  const outside = isOutside ? await readOutside(tx, id) : [];
  const limits = waiting.length > 0 ? await readQueued(tx, id) : [];
  return { lines, timers, limits, outside, holders: queued ? await readHolders(tx, flow) : [] };
}

async function readLines(tx: Db, id: string): Promise<Line[]> {
  const { rows } = await sql<Line>`
    select g.pool, trim_scale(g.task_priority)::text priority,
      (select count(*)::int from (
        select from kr_task_stat k where k.ready and not k.limited and k.pool = g.pool and (k.task_priority, k.task_flow_id) < (g.task_priority, ${id}::text collate "C")
        limit ${COUNTED}) k) ahead,
      (select coalesce(sum(w.workers), 0)::int from kr_watcher w where w.pool = g.pool and w.lease_until > now()) workers
    from (select distinct t.pool, t.task_priority from kr_task_stat t where t.task_flow_id = ${id} and t.ready and not t.limited) g`.execute(
    tx,
  );
  return rows;
}

async function readTimers(tx: Db, id: string): Promise<Timer[]> {
  const { rows } = await sql<Timer>`
    select trim_scale(k.task_exec_seq)::text seq, k.kind, k.due_ts due from kr_timer k where k.task_flow_id = ${id}`.execute(
    tx,
  );
  return rows;
}

const OUTSIDE: ReadonlySet<string> = new Set(['signal', 'callback', 'sub_execution']);

async function readOutside(tx: Db, id: string): Promise<Outside[]> {
  const { rows } = await sql<Outside>`
    select trim_scale(w.task_exec_seq)::text seq, w.kind, w.name, w.token from kr_wait w where w.task_flow_id = ${id}`.execute(
    tx,
  );
  return rows;
}

/** Who holds a key is found by the books of the watchers that hold it. */
async function readQueued(tx: Db, id: string): Promise<Queued[]> {
  const { rows } = await sql<Queued>`
    select trim_scale(q.task_exec_seq)::text seq, q.slot,
      (select l."limit" from jsonb_to_recordset(q.limits) l(slot text, "limit" int) where l.slot = q.slot limit 1) "limit",
      (select coalesce(json_agg(h), '[]') from (
        select distinct t.task_flow_id flow, coalesce(p.step, trim_scale(t.task_seq)::text) step
        from kr_slot s cross join lateral unnest(s.watchers) w(watcher_id)
        join kr_claim c on c.watcher_id = w.watcher_id cross join lateral unnest(c.flows, c.seqs) u(flow, seq)
        join kr_task_stat t on t.task_flow_id = u.flow and t.task_exec_seq = u.seq and t.exec_status = 1
          and t.limits @> jsonb_build_array(jsonb_build_object('slot', q.slot))
        left join ms_plan p on p.version = t.version and p.task_exec_seq = t.task_exec_seq
        where s.slot = q.slot order by 1, 2 limit ${HOLDERS + 1}) h) holders
    from kr_slot_queue q where q.task_flow_id = ${id}`.execute(tx);
  return rows;
}

async function readHolders(tx: Db, flow: string): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select f.task_flow_id id from kr_flow_stat f where f.task_id = ${flow} and f.place in (0, 1) and f.place = 1
    order by f.task_flow_id limit ${HOLDERS + 1}`.execute(tx);
  return rows.map(({ id }) => id);
}
