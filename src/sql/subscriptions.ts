// Subscriptions to events, and what is sent for them. Called by events/.
import { sql } from 'kysely';
import type { Json } from '../dag/vocabulary.ts';
import type { Database, Tx } from './database.ts';

export interface Subscription {
  id: string;
  /** Names of events, `flow.*` for all that begin so. */
  names: string[];
  /** Of this flow only; null: of all. */
  flow: string | null;
  url: string;
  /** Names of the secrets that sign. */
  secrets: string[];
  createdAt: Date;
}

const COLUMNS = 'subscription_id id, names, task_id flow, url, secrets, created_ts "createdAt"';

/** Null: the id is taken. */
export async function insertSubscription(
  db: Database,
  tenant: string,
  { id, names, flow, url, secrets }: Omit<Subscription, 'createdAt'>,
): Promise<Subscription | null> {
  const { rows } = await db.pool.query<Subscription>(
    `insert into ms_subscription (subscription_id, tenant, names, task_id, url, secrets) values ($1, $2, $3, $4, $5, $6)
     on conflict do nothing returning ${COLUMNS}`,
    [id, tenant, names, flow, url, secrets],
  );
  return rows[0] ?? null;
}

export async function listSubscriptions(db: Database, tenant: string): Promise<Subscription[]> {
  const { rows } = await db.pool.query<Subscription>(
    `select ${COLUMNS} from ms_subscription where tenant = $1 order by created_ts, subscription_id`,
    [tenant],
  );
  return rows;
}

/** With all its deliveries. False: there is none. */
export async function deleteSubscription(db: Database, tenant: string, id: string): Promise<boolean> {
  const { rowCount } = await db.pool.query(
    'delete from ms_subscription where tenant = $1 and subscription_id = $2',
    [tenant, id],
  );
  return rowCount === 1;
}

/** Makes a delivery of each event for each subscription that it fits. */
export async function makeDeliveries(tx: Tx, events: string[]): Promise<number> {
  const { rows } = await sql<{ made: number }>`select umbel_deliver_v1(${events}::bigint[]) made`.execute(tx);
  return rows[0]?.made ?? 0;
}

/** An event as a delivery keeps it; without a name it is this installation's. */
export interface KeptEvent {
  id: string;
  headers: { name: string; createdAt: string; serviceName: string | null };
  payload: Json;
}

export interface DueDelivery {
  id: string;
  event: KeptEvent;
  /** With this one. */
  attempts: number;
  url: string;
  secrets: string[];
}

/** Takes deliveries that are due; unless they are settled, another process takes them over after `lease` milliseconds. */
export async function claimDeliveries(
  db: Database,
  { most, lease }: { most: number; lease: number },
): Promise<DueDelivery[]> {
  const { rows } = await db.pool.query<DueDelivery>({
    name: 'claimDeliveries',
    text: `with due as materialized (
             select d.delivery_id from ms_delivery d where d.status = 'pending' and d.due_ts <= now() order by d.due_ts limit $1 for update skip locked
           )
           update ms_delivery d set attempts = d.attempts + 1, due_ts = now() + $2 * interval '1 millisecond'
           from due, ms_subscription s where d.delivery_id = due.delivery_id and s.subscription_id = d.subscription_id
           returning d.delivery_id id, d.event, d.attempts, s.url, s.secrets`,
    values: [most, lease],
  });
  return rows;
}

export interface DeliveryOutcome {
  id: string;
  attempts: number;
  status: 'delivered' | 'dead' | 'pending';
  /** Milliseconds until it is tried again, when it is still pending. */
  delay: number;
  /** The status that was answered, if there was an answer. */
  answer: number | null;
  error: string | null;
}

/** Writes down how an attempt ended, unless a later one is under way. */
export async function settleDelivery(
  db: Database,
  { id, attempts, status, delay, answer, error }: DeliveryOutcome,
): Promise<void> {
  await db.pool.query({
    name: 'settleDelivery',
    text: `update ms_delivery set status = $3::text, due_ts = now() + $4 * interval '1 millisecond', answer = $5, error = $6,
             settled_ts = case when $3::text <> 'pending' then now() end
           where delivery_id = $1 and attempts = $2 and status = 'pending'`,
    values: [id, attempts, status, delay, answer, error],
  });
}

/** Milliseconds until a delivery is due; null: none waits. */
export async function readNextDelivery(db: Database): Promise<number | null> {
  const { rows } = await db.pool.query<{ ms: number }>({
    name: 'readNextDelivery',
    text: `select greatest(0, extract(epoch from due_ts - clock_timestamp()) * 1000)::float8 ms from ms_delivery where status = 'pending' order by due_ts limit 1`,
  });
  return rows[0]?.ms ?? null;
}

export interface DeliveryRow {
  id: string;
  event: Json;
  status: 'pending' | 'delivered' | 'dead';
  attempts: number;
  answer: number | null;
  error: string | null;
  createdAt: Date;
  settledAt: Date | null;
}

/** Newest first; null: there is no such subscription. */
export async function listDeliveries(
  db: Database,
  of: { tenant: string; subscription: string; status: string | null; limit: number },
): Promise<DeliveryRow[] | null> {
  const { rows: found } = await db.pool.query(
    'select 1 from ms_subscription where tenant = $1 and subscription_id = $2',
    [of.tenant, of.subscription],
  );
  if (found.length === 0) return null;
  const { rows } = await db.pool.query<DeliveryRow>(
    `select delivery_id id, event, status, attempts, answer, error, created_ts "createdAt", settled_ts "settledAt"
     from ms_delivery where subscription_id = $1 and ($2::text is null or status = $2) order by delivery_id desc limit $3`,
    [of.subscription, of.status, of.limit],
  );
  return rows;
}

/** Lets one that was given up begin anew. False: there is none such. */
export async function reviveDelivery(
  db: Database,
  of: { tenant: string; subscription: string; delivery: string },
): Promise<boolean> {
  const { rowCount } = await db.pool.query(
    `update ms_delivery d set status = 'pending', attempts = 0, due_ts = now(), settled_ts = null from ms_subscription s
     where s.tenant = $1 and s.subscription_id = $2 and d.subscription_id = s.subscription_id and d.delivery_id = $3 and d.status = 'dead'`,
    [of.tenant, of.subscription, of.delivery],
  );
  return rowCount === 1;
}

/** Deletes what was settled longer ago, in milliseconds. */
export async function pruneDeliveries(db: Database, olderThan: number): Promise<number> {
  const { rowCount } = await db.pool.query(
    `delete from ms_delivery where settled_ts < now() - $1 * interval '1 millisecond'`,
    [olderThan],
  );
  return rowCount ?? 0;
}
