// Moves flows between inactive and active: each move is one transaction with the events that tell of it. Called by registrar/life-cycle/.
import { sql } from 'kysely';
import type { Database, Db, Tx } from './database.ts';
import { type Definition, type LifeStatus, readDefinition } from './definitions.ts';
import { emitEvents, type NewEvent } from './emit.ts';

export interface Move {
  to: LifeStatus;
  /** Who started it; absent: stays as it is. */
  startedBy?: string | null;
  events: NewEvent[];
}

/** Moves a flow as somebody asks: `decide` is given the flow, null when there is none, and says whereto, null for nowhere. */
export async function moveFlow(
  db: Database,
  flow: string,
  decide: (stored: Definition | null, tx: Tx) => Promise<Move | null>,
): Promise<void> {
  await db.kysely.transaction().execute(async (tx) => {
    await sql`select from ms_flow where task_id = ${flow} for update`.execute(tx);
    const move = await decide(await readDefinition(tx, flow), tx);
    if (move !== null) await writeMove(tx, flow, move);
  });
}

export interface MovingFlow {
  flow: string;
  tenant: string;
  status: LifeStatus;
  /** Since when it stands there, exact. */
  since: string;
  /** Milliseconds that it has been there. */
  age: number;
}

/** Flows between inactive and active, the longest waiting first, and active ones whose steps are gone. */
export async function listMovingFlows(db: Db): Promise<MovingFlow[]> {
  const { rows } = await sql<MovingFlow>`
    select f.task_id flow, f.tenant, f.status, f.status_ts::text since, (extract(epoch from clock_timestamp() - f.status_ts) * 1000)::float8 age
    from ms_flow f
    where f.status in ('starting', 'stopping')
      or f.status = 'active' and not exists (select from ms_task_definition d where d.task_id = f.task_id)
    order by f.status_ts limit 100`.execute(db);
  return rows;
}

/** Moves on a flow that stands where `moving` says; does nothing when it was moved, or somebody is about to. */
export async function moveFlowOn(db: Database, { flow, since }: MovingFlow, move: Move): Promise<boolean> {
  return db.kysely.transaction().execute(async (tx) => {
    const { rows } = await sql`
      select from ms_flow where task_id = ${flow} and status_ts = ${since}::timestamptz for update skip locked`.execute(
      tx,
    );
    if (rows.length === 0) return false;
    await writeMove(tx, flow, move);
    return true;
  });
}

async function writeMove(tx: Tx, flow: string, { to, startedBy, events }: Move): Promise<void> {
  await sql`
    update ms_flow set status = ${to}, status_ts = clock_timestamp(),
      started_by = case when ${startedBy === undefined} then started_by else ${startedBy ?? null} end
    where task_id = ${flow}`.execute(tx);
  await emitEvents(tx, events);
}
