// Components: what a node's componentId names when no program is called so. Read by the registrar and by watchers, written by the registrar.
import { sql } from 'kysely';
import type { JsonObject } from '../dag/vocabulary.ts';
import type { Database, Db, Tx } from './database.ts';
import type { LifeStatus } from './definitions.ts';
import { emitEvents, type NewEvent } from './emit.ts';

export interface Component {
  id: string;
  tenant: string;
  name: string | null;
  description: string | null;
  kind: 'program' | 'http' | 'process';
  isGlobal: boolean;
  /** Of its kind: an address, an argv. */
  settings: JsonObject;
  /** Of a global one. */
  status: LifeStatus;
  /** Since when it stands there, exact. */
  since: string;
  createdAt: Date;
  updatedAt: Date;
}

const COLUMNS = sql`
  c.component_id id, c.tenant, c.name, c.description, c.kind, c.is_global "isGlobal", c.settings, c.status, c.status_ts::text since,
  c.created_ts "createdAt", c.updated_ts "updatedAt"`;

/** Those of a tenant with these ids, or all of them; by id. */
export async function listComponents(db: Db, tenant: string, ids: string[] | null): Promise<Component[]> {
  const { rows } = await sql<Component>`
    select ${COLUMNS} from ms_component c
    where c.tenant = ${tenant} and (${ids}::text[] is null or c.component_id = any (${ids}::text[]))
    order by c.component_id`.execute(db);
  return rows;
}

export type ComponentWrite = Omit<Component, 'since' | 'createdAt' | 'updatedAt'>;

/**
 * Changes a component while nobody else does: `edit` is given what is there and says what shall be, undefined for nothing, null for none.
 * When it throws, nothing has happened.
 */
export async function editComponent<Result>(
  db: Database,
  { tenant, id }: { tenant: string; id: string },
  edit: (stored: Component | null) => {
    write?: ComponentWrite | null;
    result: Result;
    events?: NewEvent[];
  },
): Promise<Result> {
  return db.kysely.transaction().execute(async (tx) => {
    const { rows } = await sql<Component>`
      select ${COLUMNS} from ms_component c where c.tenant = ${tenant} and c.component_id = ${id} for update`.execute(
      tx,
    );
    const { write, result, events = [] } = edit(rows[0] ?? null);
    if (write === null)
      await sql`delete from ms_component where tenant = ${tenant} and component_id = ${id}`.execute(tx);
    else if (write !== undefined) await writeComponent(tx, write);
    await emitEvents(tx, events);
    return result;
  });
}

async function writeComponent(tx: Tx, component: ComponentWrite): Promise<void> {
  const { id, tenant, name, description, kind, isGlobal, settings, status } = component;
  await sql`
    insert into ms_component as c (component_id, tenant, name, description, kind, is_global, settings, status)
    values (${id}, ${tenant}, ${name}, ${description}, ${kind}, ${isGlobal}, ${JSON.stringify(settings)}::jsonb, ${status})
    on conflict (tenant, component_id) do update set name = excluded.name, description = excluded.description, kind = excluded.kind,
      is_global = excluded.is_global, settings = excluded.settings, updated_ts = now(), status = excluded.status,
      status_ts = case when c.status = excluded.status then c.status_ts else clock_timestamp() end`.execute(
    tx,
  );
}

export interface MovingComponent {
  component: Component;
  /** Milliseconds that it has been there. */
  age: number;
}

/** Global ones between inactive and active, the longest waiting first. */
export async function listMovingComponents(db: Db): Promise<MovingComponent[]> {
  const { rows } = await sql<Component & { age: number }>`
    select ${COLUMNS}, (extract(epoch from clock_timestamp() - c.status_ts) * 1000)::float8 age
    from ms_component c where c.status in ('starting', 'stopping') order by c.status_ts limit 100`.execute(
    db,
  );
  return rows.map(({ age, ...component }) => ({ component, age }));
}

/** Moves it on, unless somebody did or is about to. */
export async function moveComponent(
  db: Database,
  { id, tenant, since }: Component,
  status: LifeStatus,
  events: NewEvent[],
): Promise<boolean> {
  return db.kysely.transaction().execute(async (tx) => {
    const { numAffectedRows } = await sql`
      update ms_component c set status = ${status}, status_ts = clock_timestamp() from (
        select k.component_id from ms_component k
        where k.tenant = ${tenant} and k.component_id = ${id} and k.status_ts = ${since}::timestamptz for update skip locked) k
      where c.tenant = ${tenant} and c.component_id = k.component_id`.execute(tx);
    if (!numAffectedRows) return false;
    await emitEvents(tx, events);
    return true;
  });
}

/** The component of the tenant of an execution; null: it has none of that id. */
export async function findComponent(
  db: Db,
  { id, flow }: { id: string; flow: string },
  componentId: string,
): Promise<Component | null> {
  const { rows } = await sql<Component>`
    select ${COLUMNS} from ms_component c
    where c.component_id = ${componentId} and c.tenant = coalesce(
      (select e.tenant from kr_flow_stat e where e.task_flow_id = ${id}),
      (select f.tenant from ms_flow f where f.task_id = ${flow}))`.execute(db);
  return rows[0] ?? null;
}
