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

export interface Surroundings {
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
  return { lines, timers, outside, holders: queued ? await readHolders(tx, flow) : [] };
}

async function readLines(tx: Db, id: string): Promise<Line[]> {
  const { rows } = await sql<Line>`
    select g.pool, trim_scale(g.task_priority)::text priority,
      (select count(*)::int from (
        select from kr_task_stat k where k.ready and k.pool = g.pool and (k.task_priority, k.task_flow_id) < (g.task_priority, ${id}::text collate "C")
        limit ${COUNTED}) k) ahead,
      (select coalesce(sum(w.workers), 0)::int from kr_watcher w where w.pool = g.pool and w.lease_until > now()) workers
    from (select distinct t.pool, t.task_priority from kr_task_stat t where t.task_flow_id = ${id} and t.ready) g`.execute(
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

async function readHolders(tx: Db, flow: string): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select f.task_flow_id id from kr_flow_stat f where f.task_id = ${flow} and f.place in (0, 1) and f.place = 1
    order by f.task_flow_id limit ${HOLDERS + 1}`.execute(tx);
  return rows.map(({ id }) => id);
}
