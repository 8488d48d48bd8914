// Waits for a database that is still starting, as in a compose stack where nobody orders the starts.
// Called by cmd/ before anything else touches the database.
import { setTimeout as sleep } from 'node:timers/promises';
import { isUmbelError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { checkDatabase, type Database } from './database.ts';

/**
 * Resolves once the database answers. Tries again while it is unreachable, for `timeout` ms at most, then throws
 * DATABASE_UNREACHABLE; a refused login or a missing database is thrown at once.
 */
export async function waitForDatabase(
  database: Database,
  { timeout, log, signal }: { timeout: number; log: Logger; signal?: AbortSignal },
): Promise<void> {
  const until = performance.now() + timeout;
  for (let pause = 100; ; pause = Math.min(pause * 2, 2_000)) {
    try {
      return await checkDatabase(database);
    } catch (error) {
      if (!isUmbelError(error, 'DATABASE_UNREACHABLE') || performance.now() + pause > until) throw error;
      log.warn({ database: database.address, reason: error.details.reason }, 'waiting for the database');
    }
    await sleep(pause, undefined, { signal });
  }
}
