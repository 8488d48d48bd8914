// Which database a command works on: DATABASE_URL, else Flower's DB_*, else the embedded Postgres of DATA_DIR.
import type { Settings } from '../src/config.ts';
import { UmbelError } from '../src/errors.ts';
import type { Logger } from '../src/log.ts';
import { findEmbedded, startEmbedded } from '../src/sql/embedded.ts';

/** The address of a database that is there already. Throws EMBEDDED_NOT_RUNNING. */
export async function findDatabaseUrl({ databaseUrl, dataDir }: Settings): Promise<string> {
  const url = databaseUrl ?? (await findEmbedded(dataDir));
  if (url === undefined) throw new UmbelError('EMBEDDED_NOT_RUNNING', { dataDir });
  return url;
}

/** The address of the database, the embedded one started when it is to be used; `stop` ends what was started. */
export async function startDatabase(
  { databaseUrl, dataDir }: Settings,
  log: Logger,
): Promise<{ url: string; stop: () => Promise<void> }> {
  return databaseUrl === undefined
    ? startEmbedded({ dataDir, log })
    : { url: databaseUrl, stop: () => Promise.resolve() };
}
