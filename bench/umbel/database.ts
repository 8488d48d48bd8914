// The product's pool for the benchmark, closed for certain.
import { openDatabase, type Database } from '../../src/sql/database.ts';

export function openPool(url: string, applicationName: string): Database {
  const db = openDatabase({ url, applicationName });
  // The product's own `close` goes through Kysely, which does nothing when it was never used.
  const close = async () => {
    await db.close();
    if (!db.pool.ending) await db.pool.end();
  };
  return { ...db, close };
}
