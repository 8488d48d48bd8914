// Writes events into the outbox of the running transaction. Called by whatever changes what others hear of.
import { sql } from 'kysely';
import type { JsonObject } from '../dag/vocabulary.ts';
import type { Tx } from './database.ts';

export interface NewEvent {
  /** `flow.started`. */
  name: string;
  tenant: string;
  payload: JsonObject;
}

/** In the order given. */
export async function emitEvents(tx: Tx, events: readonly NewEvent[]): Promise<void> {
  if (events.length === 0) return;
  const names = events.map(({ name }) => name);
  const tenants = events.map(({ tenant }) => tenant);
  const payloads = events.map(({ payload }) => JSON.stringify(payload));
  await sql`select umbel_emit_v1(${names}::text[], ${tenants}::text[], ${payloads}::jsonb[])`.execute(tx);
}
