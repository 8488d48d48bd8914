// Opens the one pool of a process. Everything in sql/ gets its connections from here: Kysely for reads and
// administration, the pg pool for named statements. Table names are unqualified: they live in the first schema of
// the connection's search_path, which stays as role and URL set it (poolers refuse start-up options).
import { Socket } from 'node:net';
import { CompiledQuery, Kysely, PostgresDialect, type Transaction } from 'kysely';
import { Pool, types, type CustomTypesConfig, type PoolConfig } from 'pg';
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

export interface DatabaseOptions {
  url: string;
  /** Connections at most; 10 when absent. */
  max?: number;
  applicationName?: string;
  /** Milliseconds after which a connection that says nothing counts as broken; absent: it may keep silent for ever. */
  silence?: number;
  log?: Logger;
}

/** A pool of connections, made when first used. `close` waits for the running statements. */
export function openDatabase(options: DatabaseOptions): Database {
  const pool = new Pool({
    connectionString: options.url,
    max: options.max ?? 10,
    application_name: options.applicationName ?? 'umbel',
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    types: typeParsers,
    ...limitSilence(options.silence),
  });
  surviveLostConnections(pool, options.log);
  const kysely = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  return { pool, kysely, address: withoutPassword(options.url), close: () => closeBoth(pool, kysely) };
}

/** A server or a network that hangs without breaking the connection would hold its caller for ever. Idle connections go before their time is over. */
function limitSilence(silence: number | undefined): PoolConfig {
  if (silence === undefined) return {};
  const stream = () => {
    const socket = new Socket();
    const error = Object.assign(new Error(`the database said nothing for ${silence} ms`), {
      code: 'ETIMEDOUT',
    });
    return socket.setTimeout(silence, () => socket.destroy(error));
  };
  return { stream, idleTimeoutMillis: Math.min(10_000, silence / 2) };
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
