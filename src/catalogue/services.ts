// The part of the catalogue of errors that is about what a process needs to run: a database, a port, a directory.
import { entry } from './entry.ts';

export const SERVICE_ERRORS = {
  DATABASE_UNREACHABLE: entry(
    503,
    (d: { database?: string; reason: string }) =>
      `Cannot reach the database${d.database === undefined ? '' : ` ${d.database}`}: ${d.reason}.`,
  ),
  DATABASE_REFUSED: entry(
    503,
    (d: { database: string; reason: string }) =>
      `The database ${d.database} refused the connection: ${d.reason}. Check DATABASE_URL.`,
  ),
  MIGRATIONS_PENDING: entry(
    503,
    (d: { pending: string[] }) => `The database lacks ${d.pending.join(', ')}: run "umbel migrate up".`,
  ),
  MIGRATION_FAILED: entry(
    500,
    (d: { migration: string; direction: string; reason: string }) =>
      `Migration ${d.migration} (${d.direction}) failed, nothing was changed: ${d.reason}`,
  ),
  PORT_TAKEN: entry(
    500,
    (d: { host: string; port: number }) =>
      `Port ${d.port} on ${d.host} is taken: stop what listens there, or choose another with --port or PORT.`,
  ),
  ADDRESS_UNUSABLE: entry(
    500,
    (d: { host: string; port: number; reason: string }) =>
      `Cannot listen on ${d.host}:${d.port}: ${d.reason}. Choose another with --host and --port.`,
  ),
  DATA_DIR_UNUSABLE: entry(
    500,
    (d: { dataDir: string; reason: string }) =>
      `Cannot use the data directory ${d.dataDir}: ${d.reason}. Choose another with --data-dir or DATA_DIR.`,
  ),
  EMBEDDED_FAILED: entry(
    500,
    (d: { reason: string }) =>
      `The embedded Postgres does not start: ${d.reason}. Set DATABASE_URL to use a server of your own.`,
  ),
  EMBEDDED_NOT_RUNNING: entry(
    503,
    (d: { dataDir: string }) =>
      `No embedded database runs for ${d.dataDir}: start one with "umbel up", or set DATABASE_URL.`,
  ),
  /** `report` is the server's own account: message, the line with a caret, detail and hint. */
  SQL_FAILED: entry(400, (d: { report: string }) => d.report),
  /** Registering says it in Flower's words, the repository of flows in Open Integration Hub's. */
} as const;
