// Brings the schema up and down through migrations/*.sql (plain SQL, `-- Up Migration`, `-- Down Migration`) and tells
// where it stands. Called by cmd/ at start and by /readyz.
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { Client } from 'pg';
import { messageOf, UmbelError } from '../errors.ts';
import { withoutPassword, type Logger } from '../log.ts';
import type { Database, Db } from './database.ts';
import { connectionError, isUnreachable } from './failures.ts';

const MIGRATIONS_TABLE = 'umbel_migrations';
export const MIGRATIONS_DIR = fileURLToPath(new URL('../../migrations', import.meta.url));

export interface MigrateOptions {
  url: string;
  log?: Logger;
  /** Where the `.sql` files are; the product's own by default. */
  dir?: string;
}

export interface MigrationState {
  name: string;
  /** When it ran; null: pending. */
  ranAt: Date | null;
}

/**
 * Runs every pending migration in one transaction and returns their names. Of several processes that migrate at once one
 * works, the others wait for it and find nothing to do. Throws MIGRATION_FAILED, DATABASE_UNREACHABLE.
 */
export function migrateUp(options: MigrateOptions): Promise<string[]> {
  return migrate('up', Number.POSITIVE_INFINITY, options);
}

/** Undoes the last `count` migrations, newest first, in one transaction and returns their names. */
export function migrateDown(options: MigrateOptions & { count?: number }): Promise<string[]> {
  return migrate('down', options.count ?? 1, options);
}

/** All migrations that this version knows, in order, then those that only the database knows. */
export async function migrationStatus(db: Db, dir = MIGRATIONS_DIR): Promise<MigrationState[]> {
  const [known, ran] = await Promise.all([migrationNames(dir), selectRanMigrations(db)]);
  const names = [...known, ...[...ran.keys()].filter((name) => !known.includes(name))];
  return names.map((name) => ({ name, ranAt: ran.get(name) ?? null }));
}

/** Names of the migrations still to run; `[]`: the schema is as this version needs it. A newer schema is fine. */
export async function pendingMigrations(db: Db, dir = MIGRATIONS_DIR): Promise<string[]> {
  return (await migrationStatus(db, dir)).filter(({ ranAt }) => ranAt === null).map(({ name }) => name);
}

/** Whether every migration of this version ran. */
export async function migrationsCurrent(db: Db, dir = MIGRATIONS_DIR): Promise<boolean> {
  return (await pendingMigrations(db, dir)).length === 0;
}

/** Throws MIGRATIONS_PENDING unless every migration of this version ran. */
export async function requireMigrations({ kysely }: Database): Promise<void> {
  const pending = await pendingMigrations(kysely);
  if (pending.length > 0) throw new UmbelError('MIGRATIONS_PENDING', { pending });
}

async function migrationNames(dir: string): Promise<string[]> {
  const files = await readdir(dir);
  return files
    .filter((file) => file.endsWith('.sql'))
    .map((file) => file.slice(0, -'.sql'.length))
    .sort();
}

/** selectRanMigrations: names and times; none when the table is not there yet. */
async function selectRanMigrations(db: Db): Promise<Map<string, Date>> {
  try {
    const ranAt = sql<Date>`run_on::timestamptz`.as('ran_at');
    const rows = await db.selectFrom(MIGRATIONS_TABLE).select(['name', ranAt]).orderBy('id').execute();
    return new Map(rows.map((row) => [row.name, row.ran_at]));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === '42P01') return new Map();
    throw error;
  }
}

async function migrate(direction: 'up' | 'down', count: number, options: MigrateOptions): Promise<string[]> {
  const client = await connect(options);
  const progress = followProgress();
  try {
    const { runner } = await import('node-pg-migrate');
    const done = await runner({
      dbClient: client,
      dir: options.dir ?? MIGRATIONS_DIR,
      direction,
      count,
      migrationsTable: MIGRATIONS_TABLE,
      migrationsSchema: await currentSchema(client),
      singleTransaction: true,
      advisoryLockMode: 'wait',
      logger: progress.logger,
    });
    for (const { name } of done) options.log?.info({ migration: name, direction }, 'migrated');
    return done.map(({ name }) => name);
  } catch (cause) {
    if (isUnreachable(cause)) throw connectionError(withoutPassword(options.url), cause);
    const reason = `${messageOf(cause)}${hintOf(cause)}`;
    throw new UmbelError('MIGRATION_FAILED', { migration: progress.current(), direction, reason }, { cause });
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function connect({ url, log }: MigrateOptions): Promise<Client> {
  const client = new Client({
    connectionString: url,
    application_name: 'umbel migrate',
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
  });
  client.on('error', (error) => log?.debug({ err: error }, 'the migration lost its connection'));
  try {
    await client.connect();
  } catch (cause) {
    throw connectionError(withoutPassword(url), cause);
  }
  return client;
}

/** The runner tells only its log which migration it is at, and prints whole files on an error: so listen, and print nothing. */
function followProgress() {
  let current = '(none)';
  const listen = (line: string) => {
    current = /^### MIGRATION (\S+)/.exec(line)?.[1] ?? current;
  };
  return {
    current: () => current,
    logger: { debug: listen, info: listen, warn: listen, error: () => undefined },
  };
}

async function currentSchema(client: Client): Promise<string> {
  const { rows } = await client.query<{ schema: string | null }>('SELECT current_schema() AS schema');
  return rows[0]?.schema ?? 'public';
}

function hintOf(error: unknown): string {
  return error instanceof Error && 'hint' in error && typeof error.hint === 'string'
    ? ` (${error.hint})`
    : '';
}
