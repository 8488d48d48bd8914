// Whether requests can be served. Called by http/routes/health.ts through cmd/.
import { isUmbelError } from '../errors.ts';
import type { Database } from '../sql/database.ts';
import { requireMigrations } from '../sql/migrate.ts';
import { nameFailure } from './failure.ts';

/** Why not, in words that may be shown to anybody; null when they can. */
export async function findUnreadiness(db: Database): Promise<string | null> {
  try {
    await nameFailure(requireMigrations(db));
    return null;
  } catch (error) {
    if (isUmbelError(error, 'MIGRATIONS_PENDING')) return error.message;
    if (isUmbelError(error, 'DATABASE_UNREACHABLE')) return 'The database does not answer.';
    throw error;
  }
}
