// A database whose process dies at a statement of one's choice: its connections break, and what was not committed never was.
// For tests of what must survive being killed.
import type { PoolClient } from 'pg';
import { openDatabase, type Database } from '../../src/sql/database.ts';

export interface CrashPlan {
  /** It dies at the statement of this number, counted from 1, `begin` and `commit` among them. */
  at: number;
  /** Whether that statement still reaches the server; nobody hears what came of it. */
  sent: boolean;
}

type Query = (...args: unknown[]) => unknown;

/** Its statements fail once it is dead. */
export function openDoomed(url: string, plan: CrashPlan): Database {
  const db = openDatabase({ url, applicationName: 'umbel doomed' });
  let statements = 0;
  const doomed = new WeakSet<PoolClient>();
  db.pool.on('connect', (client) => {
    if (doomed.has(client)) return;
    doomed.add(client);
    const query = client.query.bind(client) as Query;
    const die = () =>
      (client as unknown as { connection: { stream: { destroy: () => void } } }).connection.stream.destroy();
    client.query = ((...args: unknown[]) => {
      statements += 1;
      if (statements < plan.at) return query(...args);
      if (statements > plan.at || !plan.sent) die();
      else setImmediate(die);
      return query(...args);
    }) as typeof client.query;
  });
  return db;
}

/** Resolves when the server has noticed that the dead are dead. */
export async function countDoomed(db: Database): Promise<number> {
  const { rows } = await db.pool.query<{ n: number }>(
    `select count(*)::int n from pg_stat_activity where application_name = 'umbel doomed' and datname = current_database()`,
  );
  return rows[0]!.n;
}
