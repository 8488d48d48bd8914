// A database of its own for a test or a file of tests, cloned from the run's migrated template.
import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import { openDatabase, type Database } from '../../src/sql/database.ts';
import type { TestServer } from './database-server.ts';
import { askServer, urlOfDatabase } from './server.ts';

export interface TestDatabase {
  url: string;
  db: Database;
  /** Closes the pool and drops the database, whoever else is still connected. */
  drop: () => Promise<void>;
}

/**
 * A migrated database without rows. `empty` makes one without any schema; `server` is one of `servers()`, the run's
 * own by default.
 */
export async function createDatabase(
  options: { server?: TestServer; empty?: boolean } = {},
): Promise<TestDatabase> {
  const server = options.server ?? inject('server');
  const name = `umbel_test_${randomBytes(6).toString('hex')}`;
  await askServer(
    server.url,
    `CREATE DATABASE ${name} TEMPLATE ${options.empty ? 'template0' : server.template}`,
  );
  const url = urlOfDatabase(server.url, name);
  const db = openDatabase({ url, applicationName: 'umbel test' });
  const drop = async () => {
    await db.close();
    await askServer(server.url, `DROP DATABASE ${name} WITH (FORCE)`);
  };
  return { url, db, drop };
}

/** The servers to run a suite on: `describe.each(servers())('on $name', ({ server }) => …)`. */
export function servers(): { name: string; server: TestServer }[] {
  const old = inject('server15');
  return [
    { name: 'the server of this run', server: inject('server') },
    ...(old ? [{ name: 'PostgreSQL 15', server: old }] : []),
  ];
}
