// Reads the outbox in order, and prunes it. Called by events/.
import type { Json } from '../dag/vocabulary.ts';
import type { Database } from './database.ts';

/** Something that happened, as it is told to others but for its tenant. */
export interface Event {
  id: string;
  headers: {
    /** `flow.started`. */
    name: string;
    /** ISO 8601. */
    createdAt: string;
    serviceName: string;
  };
  payload: Json;
  tenant: string;
}

/** How far somebody has read, see the table ms_event_cursor. */
export interface Position {
  seen: string;
  floor: string;
  upto: string | null;
  after: string | null;
}

/** An event that was found: the number of its transaction, and the position behind it. */
export interface Found {
  event: Event;
  xid: string;
  position: Position;
}

export interface Page {
  /** Those that were asked for. */
  events: Found[];
  /** Behind all that was looked at; null: there was nothing. */
  end: Position | null;
  /** Whether there may be more at once: it was cut, or what was looked at ended at an earlier moment. */
  hasMore: boolean;
}

export interface ReadRequest {
  from: Position;
  /** Names such as `flow.*`; null: all. */
  names: readonly string[] | null;
  /** Looked at, at most. */
  most: number;
  /** The name of this installation. */
  service: string;
}

interface Row {
  event_id: string;
  xid: string;
  name: string | null;
  service: string | null;
  tenant: string;
  payload: Json;
  created: string;
  upto_now: string;
}

/** The events after a position, in an order in which none comes before one that it could know of. */
export async function readEvents(db: Database, request: ReadRequest): Promise<Page> {
  const { from, names, most, service } = request;
  const { rows } = await db.pool.query<Row>({
    name: 'umbel_read_events_v1',
    text: 'select * from umbel_read_events_v1($1, $2, $3, $4, $5, $6)',
    values: [from.seen, from.floor, from.upto, from.after, names, most],
  });
  const isCut = rows.length === most;
  const at = (row: Row): Position => ({ ...from, upto: row.upto_now, after: row.event_id });
  const last = rows.at(-1);
  const end = last !== undefined && isCut ? at(last) : endOf(from, last);
  const events = rows.flatMap((row) =>
    row.name === null
      ? []
      : [
          {
            event: toEvent(row, row.name, service),
            xid: row.xid,
            position: row === last && end ? end : at(row),
          },
        ],
  );
  return { events, end, hasMore: isCut || from.upto !== null };
}

/** Behind all that was visible; null: where it was. */
function endOf(from: Position, last: Row | undefined): Position | null {
  const seen = last?.upto_now ?? from.upto;
  if (seen === null) return null;
  return { seen, floor: larger(from.floor, last?.event_id ?? from.after), upto: null, after: null };
}

function toEvent(row: Row, name: string, service: string): Event {
  return {
    id: row.event_id,
    headers: { name, createdAt: row.created, serviceName: row.service ?? service },
    payload: row.payload,
    tenant: row.tenant,
  };
}

function larger(a: string, b: string | null): string {
  return b !== null && BigInt(b) > BigInt(a) ? b : a;
}

/** Behind all that is committed now. */
export async function readPresent(db: Database): Promise<Position> {
  const { rows } = await db.pool.query<{ seen: string; floor: string }>({
    name: 'readPresent',
    text: `select umbel_remember(pg_current_snapshot())::text seen, coalesce((select e.event_id from ms_event e order by e.event_id desc limit 1), 0)::text floor`,
  });
  return { ...rows[0]!, upto: null, after: null };
}

/** Before the event of this number and all that have a larger one. */
export function positionBefore(id: bigint): Position {
  return { seen: '3:3:', floor: String(id > 0n ? id - 1n : 0n), upto: null, after: null };
}

/** Before the first event of that time or later; behind all when there is none. */
export async function findPosition(db: Database, time: Date): Promise<Position> {
  const { rows } = await db.pool.query<{ id: string | null }>(
    'select min(event_id)::text id from ms_event where created_ts >= $1',
    [time],
  );
  const id = rows[0]?.id ?? null;
  return id === null ? readPresent(db) : positionBefore(BigInt(id));
}

const PRUNE_BATCH = 5_000;

/** Deletes events that are older, in milliseconds, and that every consumer has handled. */
export async function pruneEvents(
  db: Database,
  { olderThan, ...options }: { olderThan: number; signal?: AbortSignal },
): Promise<number> {
  let deleted = 0;
  for (let after: string | null = '0'; after !== null && !options.signal?.aborted;) {
    const { rows }: { rows: { events: number; next: string | null }[] } = await db.pool.query({
      name: 'umbel_prune_events_v1',
      text: `select * from umbel_prune_events_v1(now() - $1 * interval '1 millisecond', $2, $3)`,
      values: [olderThan, after, PRUNE_BATCH],
    });
    deleted += rows[0]?.events ?? 0;
    after = rows[0]?.next ?? null;
  }
  return deleted;
}

/** After a restore from a dump, see the function. True when there was something to do. */
export async function rebaseEvents(db: Database): Promise<boolean> {
  const { rows } = await db.pool.query<{ done: boolean }>('select umbel_rebase_events_v1() done');
  return rows[0]?.done ?? false;
}

/** Whose flow it is; undefined: there is none of that name. */
export async function findFlowTenant(db: Database, flow: string): Promise<string | undefined> {
  const { rows } = await db.pool.query<{ tenant: string }>('select tenant from ms_flow where task_id = $1', [
    flow,
  ]);
  return rows[0]?.tenant;
}
