// Consumers of events: how far each is, and which process reads for it. Called by events/.
import { sql } from 'kysely';
import type { Database, Db, Tx } from './database.ts';
import type { Position } from './events.ts';

const COLUMNS = 'seen::text seen, floor_id::text floor, upto::text upto, after_id::text after';

/** Makes the cursor of a consumer unless there is one. */
export async function addCursor(db: Database, consumer: string, at: Position): Promise<void> {
  await db.pool.query(
    `insert into ms_event_cursor (consumer, seen, floor_id) values ($1, $2, $3) on conflict do nothing`,
    [consumer, at.seen, at.floor],
  );
}

/** Takes or keeps the lease of a consumer; null: another process reads for it, or there is no such consumer. */
export async function leaseCursor(
  db: Database,
  { consumer, holder, lease }: { consumer: string; holder: string; lease: number },
): Promise<Position | null> {
  const { rows } = await db.pool.query<Position>({
    name: 'leaseCursor',
    text: `update ms_event_cursor set holder = $2, lease_until = now() + $3 * interval '1 millisecond'
           where consumer = $1 and (holder is null or holder = $2 or lease_until < now()) returning ${COLUMNS}`,
    values: [consumer, holder, lease],
  });
  return rows[0] ?? null;
}

export async function releaseCursor(db: Database, consumer: string, holder: string): Promise<void> {
  await db.pool.query({
    name: 'releaseCursor',
    text: `with released as (update ms_event_cursor set holder = null where consumer = $1 and holder = $2 returning 1)
           select pg_notify('umbel', json_build_object('events', $1::text)::text) from released`,
    values: [consumer, holder],
  });
}

/** Moves a cursor, in the transaction of what was done with the events if there is one. False: another process holds it now. */
export async function moveCursor(
  db: Db | Tx,
  { consumer, holder, to }: { consumer: string; holder: string; to: Position },
): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update ms_event_cursor set seen = ${to.seen}::pg_snapshot, floor_id = ${to.floor}, upto = ${to.upto}::pg_snapshot, after_id = ${to.after},
      failures = 0, updated_ts = now()
    where consumer = ${consumer} and holder = ${holder}`.execute(db);
  return numAffectedRows === 1n;
}

/** Writes down that a consumer could not handle what comes next; gives how often that was so in a row. */
export async function noteFailure(
  db: Database,
  consumer: string,
  holder: string,
  error: string,
): Promise<number> {
  const { rows } = await db.pool.query<{ failures: number }>(
    `update ms_event_cursor set failures = failures + 1, error = $3, updated_ts = now() where consumer = $1 and holder = $2 returning failures`,
    [consumer, holder, error],
  );
  return rows[0]?.failures ?? 1;
}

/** Puts a cursor elsewhere; whoever reads for it starts over there. False: there is no such consumer. */
export async function putCursor(db: Database, consumer: string, to: Position): Promise<boolean> {
  const { rowCount } = await db.pool.query(
    `with put as (
       update ms_event_cursor set seen = $2, floor_id = $3, upto = null, after_id = null, holder = null, failures = 0, error = null, updated_ts = now()
       where consumer = $1 returning 1)
     select pg_notify('umbel', json_build_object('events', $1::text)::text) from put`,
    [consumer, to.seen, to.floor],
  );
  return rowCount === 1;
}

export async function dropCursor(db: Database, consumer: string): Promise<boolean> {
  const { rowCount } = await db.pool.query('delete from ms_event_cursor where consumer = $1', [consumer]);
  return rowCount === 1;
}

export interface ConsumerState {
  consumer: string;
  /** Events that it has yet to handle, counted to 10,000 at most. */
  behind: number;
  /** Of the oldest of them. */
  oldest: Date | null;
  isRead: boolean;
  failures: number;
  error: string | null;
}

export async function listConsumers(db: Database): Promise<ConsumerState[]> {
  const { rows } = await db.pool.query<ConsumerState>(
    `select c.consumer, b.behind::int, b.oldest, c.holder is not null and c.lease_until > now() "isRead", c.failures, c.error
     from ms_event_cursor c cross join lateral (
       select count(*) behind, min(k.created_ts) oldest from (
         select e.created_ts from ms_event e where umbel_event_unread(e.event_id, e.xid, c)
           and not coalesce(pg_visible_in_snapshot(e.xid, c.upto) and e.event_id <= c.after_id, false) limit 10000) k) b
     order by c.consumer`,
  );
  return rows;
}
