// What every long-running command begins with: the database and a current schema. Called by up.ts, register.ts and watch.ts.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Settings } from '../src/config.ts';
import { isUmbelError } from '../src/errors.ts';
import { makeLogger, type Logger } from '../src/log.ts';
import { openDatabase, type Database } from '../src/sql/database.ts';
import { migrateUp, pendingMigrations, requireMigrations } from '../src/sql/migrate.ts';
import { waitForDatabase } from '../src/sql/wait.ts';

export interface Base {
  settings: Settings;
  log: Logger;
  url: string;
  db: Database;
}

/** How long a service waits for its database and schema, in milliseconds: a stack starts in no order. */
const PATIENCE = 60_000;

/** Milliseconds that a statement may take at least before its connection counts as broken; longer leases allow more. */
const SHORTEST_SILENCE = 5_000;

/** The database of a service, once it answers and its schema is current; `migrate` brings it there, otherwise it is waited for. */
export async function openService(settings: Settings, url: string, migrate: boolean): Promise<Base> {
  const log = makeLogger(settings);
  reportStrayErrors(log);
  const db = openDatabase({ url, max: 10, silence: Math.max(SHORTEST_SILENCE, settings.lease), log });
  await waitForDatabase(db, { timeout: PATIENCE, log });
  if (migrate) await migrateUp({ url, log });
  else await waitForMigrations(db, log);
  return { settings, log, url, db };
}

async function waitForMigrations(db: Database, log: Logger): Promise<void> {
  const until = performance.now() + PATIENCE;
  for (;;) {
    try {
      return await requireMigrations(db);
    } catch (error) {
      if (!isUmbelError(error, 'MIGRATIONS_PENDING') || performance.now() > until) throw error;
      log.warn(
        { pending: (await pendingMigrations(db.kysely)).length },
        'waiting for the schema: `umbel migrate up` makes it',
      );
    }
    await sleep(2_000);
  }
}

/** What a program leaves behind after its task ended must not end the process that runs everybody's tasks. */
function reportStrayErrors(log: Logger): void {
  process.on('unhandledRejection', (error) =>
    log.error({ err: error }, 'a promise was rejected and nobody waited for it'),
  );
  process.on('uncaughtException', (error) =>
    log.error({ err: error }, 'an error was thrown and nobody caught it'),
  );
}
