// Registering: one statement for all the requests that wait. Called by registrar/.
import { CompiledQuery, sql } from 'kysely';
import type { Json, JsonObject } from '../dag/vocabulary.ts';
import type { Database, Tx } from './database.ts';

export interface Registration {
  /** The execution's id, a UUIDv7 in text. */
  id: string;
  flow: string;
  /** The definition's revision that `version` was planned from. */
  revision: string;
  version: string;
  tenant: string;
  input?: Json;
  /** Replaces the values of these keys in the steps that have them. */
  params?: JsonObject;
  priority?: number;
  idempotencyKey?: string;
  trigger: Json;
  /** The task that starts it. */
  parent?: { id: string; seq: string };
  /** Milliseconds until its deadline. */
  timeout?: number;
}

/** `stale`: the definition changed since `revision`; nothing was written. `existing`: the id is that of the first request with the key. */
export interface RegistrationAnswer {
  outcome: 'registered' | 'existing' | 'stale';
  id: string;
}

/** Registers a batch in one transaction; the answers come in the order of the batch. */
export async function registerExecutions(db: Database, batch: Registration[]): Promise<RegistrationAnswer[]> {
  const { rows } = await db.pool.query<AnswerRow>({
    name: 'umbel_register_v1',
    text: REGISTER,
    values: listValues(batch),
  });
  return toAnswers(batch, rows);
}

/** The same as part of a transaction, which can go on when it fails. */
export async function registerInside(tx: Tx, batch: Registration[]): Promise<RegistrationAnswer[]> {
  await sql`savepoint registering`.execute(tx);
  try {
    const { rows } = await tx.executeQuery(CompiledQuery.raw(REGISTER, listValues(batch)));
    return toAnswers(batch, rows as AnswerRow[]);
  } catch (error) {
    await sql`rollback to savepoint registering`.execute(tx).catch(() => undefined);
    throw error;
  }
}

interface AnswerRow {
  ordinal: number;
  outcome: RegistrationAnswer['outcome'];
  task_flow_id: string | null;
}

const REGISTER = 'select * from umbel_register_v1($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)';

function listValues(batch: Registration[]): unknown[] {
  return [
    batch.map((r) => r.id),
    batch.map((r) => r.flow),
    batch.map((r) => r.revision),
    batch.map((r) => r.version),
    batch.map((r) => r.tenant),
    batch.map((r) => toJson(r.input)),
    batch.map((r) => toJson(r.params)),
    batch.map((r) => r.priority ?? null),
    batch.map((r) => r.idempotencyKey ?? null),
    batch.map((r) => toJson(r.trigger)),
    batch.map((r) => r.parent?.id ?? null),
    batch.map((r) => r.parent?.seq ?? null),
    batch.map((r) => r.timeout ?? null),
  ];
}

function toAnswers(batch: Registration[], rows: AnswerRow[]): RegistrationAnswer[] {
  const answers: RegistrationAnswer[] = batch.map((r) => ({ outcome: 'stale', id: r.id }));
  for (const row of rows) {
    const answer = answers[row.ordinal - 1]!;
    answer.outcome = row.outcome;
    answer.id = row.task_flow_id ?? answer.id;
  }
  return answers;
}

function toJson(value: Json | undefined): string | null {
  return value === undefined ? null : JSON.stringify(value);
}
