// `umbel doctor`: looks into everything that is known to hold work up, and says what to do about it. Called by cmd/doctor.ts.
import { isUmbelError, messageOf } from '../errors.ts';
import { checkDatabase, type Database, type Db } from '../sql/database.ts';
import { pendingMigrations } from '../sql/migrate.ts';
import {
  findBrokenIndexes,
  findClockSkew,
  findDeadRows,
  findOldSnapshots,
  findVacuumChanges,
} from './doctor-server.ts';
import {
  findDeadWatchers,
  findOrphans,
  findPlaceQueues,
  findUnknownPrograms,
  findUnservedPools,
} from './doctor-work.ts';
import { findOverdueSchedules } from './doctor-schedules.ts';
import type { Finding } from './finding.ts';

export interface Examination {
  db: Database;
  /** Of a register server; undefined: none is looked for. */
  serverUrl: string | undefined;
}

type Check = (db: Db) => Promise<Finding[]>;

/** By the name that findings carry. */
const CHECKS: Readonly<Record<string, Check>> = {
  snapshots: findOldSnapshots,
  clock: findClockSkew,
  indexes: findBrokenIndexes,
  autovacuum: findVacuumChanges,
  'dead-rows': findDeadRows,
  watchers: findDeadWatchers,
  pools: findUnservedPools,
  programs: findUnknownPrograms,
  orphans: findOrphans,
  places: findPlaceQueues,
  schedules: findOverdueSchedules,
};

const PATIENCE = 5_000;

/** Everything that is not as it should be; never throws. */
export async function examine({ db, serverUrl }: Examination): Promise<Finding[]> {
  const server = serverUrl === undefined ? [] : await findUnreachableServer(serverUrl);
  return [...(await examineDatabase(db)), ...server];
}

async function examineDatabase(db: Database): Promise<Finding[]> {
  try {
    await checkDatabase(db);
    const pending = await findPending(db);
    if (pending.length > 0) return pending;
  } catch (error) {
    return [describeUnreachable(error)];
  }
  const findings: Finding[] = [];
  for (const [name, check] of Object.entries(CHECKS))
    findings.push(...(await check(db.kysely).catch((error: unknown) => [describeFailure(name, error)])));
  return findings;
}

async function findPending({ kysely }: Database): Promise<Finding[]> {
  const pending = await pendingMigrations(kysely);
  if (pending.length === 0) return [];
  const what = `The schema lacks ${pending.join(', ')}; nothing else was looked at.`;
  return [{ level: 'problem', check: 'migrations', what, remedy: 'umbel migrate up' }];
}

function describeUnreachable(error: unknown): Finding {
  const remedy = isUmbelError(error, 'DATABASE_REFUSED')
    ? 'Check user, password and database name in DATABASE_URL.'
    : 'Check that the server runs, and that DATABASE_URL names it.';
  return { level: 'problem', check: 'database', what: messageOf(error), remedy };
}

function describeFailure(check: string, error: unknown): Finding {
  const what = `This could not be looked at: ${messageOf(error)}.`;
  return { level: 'problem', check, what, remedy: 'Run it as the role that owns the tables.' };
}

/** Asks the register server whether it can serve. */
export async function findUnreachableServer(url: string): Promise<Finding[]> {
  const problem = await askServer(`${url}/readyz`);
  if (problem === null) return [];
  const what = `The register server at ${url} ${problem}.`;
  const remedy = 'Start it (umbel register, or umbel up), or correct PUBLIC_URL, or HOST and PORT.';
  return [{ level: 'problem', check: 'register', what, remedy }];
}

async function askServer(url: string): Promise<string | null> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(PATIENCE), redirect: 'manual' });
    const text = (await answer.text()).slice(0, 200);
    return answer.ok ? null : `is not ready: it answers ${answer.status} ${text}`;
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    return `does not answer: ${messageOf(cause)}`;
  }
}
