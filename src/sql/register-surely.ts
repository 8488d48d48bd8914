// Registers a batch once, whatever becomes of the answer: when the connection breaks in between, nobody knows whether it was stored, so
// the database is asked by the ids, and what is missing is sent again. Called by the registrar.
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from './database.ts';
import { isUnreachable, mayHaveBeenDone } from './failures.ts';
import { registerExecutions, type Registration, type RegistrationAnswer } from './register.ts';

/** Milliseconds that a caller is kept waiting while the database is away. */
const PATIENCE = 5_000;
const DUPLICATE = '23505';

/** As `registerExecutions`. When it rejects with an unreachable database, the batch may be stored or not: it could not be found out. */
export async function registerSurely(db: Database, batch: Registration[]): Promise<RegistrationAnswer[]> {
  try {
    return await registerExecutions(db, batch);
  } catch (error) {
    if (!mayHaveBeenDone(error)) throw error;
    return registerRest(db, batch);
  }
}

async function registerRest(db: Database, batch: Registration[]): Promise<RegistrationAnswer[]> {
  const until = performance.now() + PATIENCE;
  for (let pause = 20; ; pause = Math.min(pause * 2, 500)) {
    try {
      return await registerMissing(db, batch);
    } catch (error) {
      // A duplicate: the first call was still under way when we looked, and is stored now.
      if (!(isUnreachable(error) || isDuplicate(error)) || performance.now() > until) throw error;
    }
    await delay(pause);
  }
}

async function registerMissing(db: Database, batch: Registration[]): Promise<RegistrationAnswer[]> {
  const stored = await findStored(db, batch);
  const missing = batch.filter(({ id }) => !stored.has(id));
  const answers = missing.length > 0 ? await registerExecutions(db, missing) : [];
  const byId = new Map(missing.map(({ id }, at) => [id, answers[at]!]));
  return batch.map(({ id }) => byId.get(id) ?? { outcome: 'registered', id });
}

async function findStored(db: Database, batch: Registration[]): Promise<Set<string>> {
  const { rows } = await db.pool.query<{ id: string }>({
    name: 'findStored',
    // The limit makes each a look-up by key, whatever the statistics say.
    text: `select k.id from unnest($1::text[]) u(id)
           cross join lateral (select f.task_flow_id id from kr_flow_stat f where f.task_flow_id = u.id limit 1) k`,
    values: [batch.map(({ id }) => id)],
  });
  return new Set(rows.map(({ id }) => id));
}

function isDuplicate(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === DUPLICATE;
}
