// Retention: deletes what ended long ago, the oldest executions first, a batch a transaction. Called by watcher/pruner.ts and cmd/prune.ts.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from './database.ts';
import { isRetryable } from './failures.ts';

export interface PruneOptions {
  /** Milliseconds since an execution ended, after which it goes. */
  olderThan: number;
  /** Of this flow only; null: of all. */
  flow: string | null;
  /** Counts what would go, and deletes nothing. */
  dryRun?: boolean;
  /** Rests this many times as long as it works, so that it never takes more than its share of the database. */
  restShare: number;
  signal?: AbortSignal;
}

export interface Pruned {
  executions: number;
  tasks: number;
}

interface Position {
  registered: string;
  flow: string;
}
interface Batch extends Pruned {
  /** null: nothing as old is left. */
  next: Position | null;
}

const START: Position = { registered: '-infinity', flow: '' };
/** Executions looked at, and tasks deleted, in one transaction. */
export const BATCH = { executions: 1_000, tasks: 5_000 };
const LEAST_REST = 5;

/** Deletes all that is old enough and free, from the oldest on; what somebody has locked stays for the next time. */
export async function pruneExecutions(db: Database, options: PruneOptions): Promise<Pruned> {
  const take = options.dryRun ? countBatch : pruneBatch;
  const endedBefore = await readCutoff(db, options.olderThan);
  const total = { executions: 0, tasks: 0 };
  for (let from: Position | null = START; from !== null && !options.signal?.aborted;) {
    const began = performance.now();
    const batch = await take(db, endedBefore, options.flow, from);
    total.executions += batch.executions;
    total.tasks += batch.tasks;
    from = batch.next;
    if (from) await rest((performance.now() - began) * options.restShare, options.signal);
  }
  if (!options.dryRun) await dropUnusedVersions(db, endedBefore);
  return total;
}

/** Steps that no flow held go when no execution of them is left; the hour is for one that is just being registered. */
async function dropUnusedVersions(db: Database, endedBefore: string): Promise<void> {
  await db.pool.query({
    name: 'dropUnusedVersions',
    text: `with unused as (
             delete from ms_flow_version v
             where v.task_id = 'adhoc' and v.created_ts < least($1::timestamptz, now() - interval '1 hour')
               and not exists (select from kr_flow_stat f where f.task_id = 'adhoc' and f.version = v.version)
               and not exists (select from ms_flow_version w join kr_flow_stat f on f.task_id = 'adhoc' and f.version = w.version
                               where w.task_id = 'adhoc' and w.base = v.version)
             returning v.version
           )
           delete from ms_plan p using unused u where p.version = u.version`,
    values: [endedBefore],
  });
}

async function rest(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(Math.max(LEAST_REST, ms), undefined, { signal }).catch(() => undefined);
}

/** The database's clock decides, as it wrote the times. */
async function readCutoff(db: Database, olderThan: number): Promise<string> {
  const { rows } = await db.pool.query<{ cutoff: string }>(
    `select (now() - $1 * interval '1 millisecond')::text cutoff`,
    [olderThan],
  );
  return rows[0]!.cutoff;
}

async function pruneBatch(
  db: Database,
  endedBefore: string,
  flow: string | null,
  from: Position,
): Promise<Batch> {
  try {
    return await askBatch(db, 'umbel_prune_v1', PRUNE, endedBefore, flow, from);
  } catch (error) {
    if (!isRetryable(error)) throw error;
    return askBatch(db, 'umbel_prune_v1', PRUNE, endedBefore, flow, from);
  }
}

function countBatch(db: Database, endedBefore: string, flow: string | null, from: Position): Promise<Batch> {
  return askBatch(db, 'countPrunable', COUNT, endedBefore, flow, from);
}

async function askBatch(
  db: Database,
  name: string,
  text: string,
  endedBefore: string,
  flow: string | null,
  from: Position,
): Promise<Batch> {
  const { rows } = await db.pool.query<Pruned & { next_ts: string | null; next_flow: string | null }>({
    name,
    text,
    values: [endedBefore, flow, from.registered, from.flow, BATCH.executions, BATCH.tasks],
  });
  const { executions, tasks, next_ts: registered, next_flow } = rows[0]!;
  const next = registered === null || next_flow === null ? null : { registered, flow: next_flow };
  return { executions, tasks, next };
}

// The times travel as text: a Date would lose the microseconds.
const PRUNE =
  'select executions, tasks, next_ts::text, next_flow from umbel_prune_v1($1::timestamptz, $2, $3::timestamptz, $4, $5, $6)';

const COUNT = `
  with seen as materialized (
    select f.task_flow_id, f.registered_ts, umbel_prunable(f.flow_status, f.finished_ts, f.place, $1::timestamptz) and ($2::text is null or f.task_id = $2) old
    from kr_flow_stat f where f.registered_ts < $1::timestamptz and (f.registered_ts, f.task_flow_id) > ($3::timestamptz, $4::text)
    order by f.registered_ts, f.task_flow_id limit $5::int
  ), last as (
    select s.registered_ts, s.task_flow_id from seen s where (select count(*) from seen) = $5::int
    order by s.registered_ts desc, s.task_flow_id desc limit 1
  )
  select (select count(*) from seen s where s.old)::int executions,
    (select coalesce(sum(k.n), 0) from seen s cross join lateral (
      select count(*) n from kr_task_stat t where t.task_flow_id = s.task_flow_id) k where s.old)::int tasks,
    (select l.registered_ts from last l)::text next_ts, (select l.task_flow_id from last l) next_flow
  where $6::int > 0`;
