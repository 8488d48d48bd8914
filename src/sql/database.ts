// Opens the one pool of a process. Everything in sql/ gets its connections from here: Kysely for reads and
// administration, the pg pool for named statements. Table names are unqualified: they live in the first schema of
// the connection's search_path, which stays as role and URL set it (poolers refuse start-up options).
import { CompiledQuery, Kysely, PostgresDialect, type Transaction } from 'kysely';
import { Pool, types, type CustomTypesConfig } from 'pg';
import { withoutPassword, type Logger } from '../log.ts';
import { connectionError } from './failures.ts';
import type { Tables } from './tables.ts';

export interface Database {
  pool: Pool;
  kysely: Db;
  /** The address without its password, for messages. */
  address: string;
  close: () => Promise<void>;
}

/** What reads take. */
export type Db = Kysely<Tables>;
/** What writes of several statements take. */
export type Tx = Transaction<Tables>;

const NUMERIC_ARRAY: number = 1231;
const TEXT_ARRAY: number = 1009;

/**
 * `numeric` and `int8` stay text (a JavaScript number would round them), `json` and `jsonb` are parsed. These are pg's own
 * choices, but for `numeric[]`, which pg would turn into rounded numbers.
 */
const typeParsers: CustomTypesConfig = {
  getTypeParser: (oid: number, format) =>
    types.getTypeParser(oid === NUMERIC_ARRAY ? TEXT_ARRAY : oid, format),
};

/** A pool of at most `max` connections, made when first used. `close` waits for the running statements. */
export function openDatabase(options: {
  url: string;
  max?: number;
  applicationName?: string;
  log?: Logger;
}): Database {
  const pool = new Pool({
    connectionString: options.url,
    max: options.max ?? 10,
    application_name: options.applicationName ?? 'umbel',
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    types: typeParsers,
  });
  surviveLostConnections(pool, options.log);
  const kysely = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  return { pool, kysely, address: withoutPassword(options.url), close: () => closeBoth(pool, kysely) };
}

/** Kysely ends the pool only when it was used itself. */
async function closeBoth(pool: Pool, kysely: Db): Promise<void> {
  await kysely.destroy();
  if (!pool.ended) await pool.end();
}

/** Throws DATABASE_UNREACHABLE or DATABASE_REFUSED, in one line, when the database does not answer. */
export async function checkDatabase(database: Database): Promise<void> {
  try {
    await database.kysely.executeQuery(CompiledQuery.raw('SELECT 1'));
  } catch (cause) {
    throw connectionError(database.address, cause);
  }
}

/** A connection that breaks emits 'error', idle or lent out; without a listener that would end the process. */
function surviveLostConnections(pool: Pool, log: Logger | undefined): void {
  pool.on('error', (error) => log?.debug({ err: error }, 'an idle database connection was lost'));
  pool.on('connect', (client) => {
    client.on('error', (error) => log?.debug({ err: error }, 'a database connection was lost'));
  });
}
