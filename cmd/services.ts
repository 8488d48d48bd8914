// What the long-running commands are put together from: the database, the register server, the watcher. up.ts runs them in one
// process, register.ts and watch.ts one each.
import { setTimeout as sleep } from 'node:timers/promises';
import manifest from '../package.json' with { type: 'json' };
import type { Settings } from '../src/config.ts';
import { isUmbelError } from '../src/errors.ts';
import { makeApp } from '../src/http/app.ts';
import { serve, stopServing } from '../src/http/serve.ts';
import { makeLogger, type Logger } from '../src/log.ts';
import { addDatabaseMetrics } from '../src/metrics/database.ts';
import { makeMetrics, type Metrics } from '../src/metrics/metrics.ts';
import { addRequestMetrics, countRegistrations } from '../src/metrics/server.ts';
import { addTurnMetrics, addWatcherMetrics } from '../src/metrics/watcher.ts';
import { makeBuiltinPrograms } from '../src/programs/builtin.ts';
import { loadPrograms } from '../src/programs/load.ts';
import { makeCallOut } from '../src/programs/outbound.ts';
import { makeRegistry, type Registry } from '../src/programs/registry.ts';
import { makeRegistrar } from '../src/registrar/registrar.ts';
import { openDatabase, type Database } from '../src/sql/database.ts';
import { makeHinter } from '../src/sql/hinter.ts';
import { migrateUp, pendingMigrations, requireMigrations } from '../src/sql/migrate.ts';
import { waitForDatabase } from '../src/sql/wait.ts';
import { startPruner } from '../src/watcher/pruner.ts';
import { makeWatcher, type Watcher } from '../src/watcher/watcher.ts';

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

/** The built-in programs and those of `--programs`. */
export async function makeProgramRegistry({ programs, outboundAllow }: Settings): Promise<Registry> {
  const builtin = makeBuiltinPrograms(makeCallOut(outboundAllow));
  return makeRegistry([...builtin, ...(programs === undefined ? [] : await loadPrograms(programs))]);
}

/** The watcher of this process; its metrics are counted when there is somewhere to. */
export async function makeOwnWatcher(base: Base, metrics?: Metrics): Promise<Watcher> {
  const { settings, db, url, log } = base;
  const { pool, workers, pollInterval, lease } = settings;
  const registry = await makeProgramRegistry(settings);
  const watcher = makeWatcher({
    db,
    url,
    registry,
    log,
    pool,
    workers,
    pollInterval,
    lease,
    release: manifest.version,
    ...(metrics ? { onTurn: addTurnMetrics(metrics.registry) } : {}),
  });
  if (metrics) addWatcherMetrics(metrics.registry, () => watcher.look());
  return withPruner(watcher, base);
}

/** What the process counts of itself and of its database. */
export function makeOwnMetrics({ db, log }: Base): Metrics {
  const metrics = makeMetrics(manifest.version);
  addDatabaseMetrics(metrics.registry, db, log);
  return metrics;
}

/** The watcher, pruning besides when RETENTION says so. */
function withPruner(watcher: Watcher, { settings: { retention }, db, log }: Base): Watcher {
  if (retention === 'never') return watcher;
  let pruner: ReturnType<typeof startPruner> | undefined;
  return {
    ...watcher,
    async start() {
      await watcher.start();
      pruner = startPruner({ db, retention, log });
    },
    async stop(grace) {
      await pruner?.stop();
      await watcher.stop(grace);
    },
  };
}

export interface RegisterServer {
  address: string;
  stop: () => Promise<void>;
}

/** Starts the register server; `wakeOwn` is told of what this process registered, besides the other processes. */
export async function startRegisterServer(
  base: Base,
  metrics: Metrics,
  wakeOwn: Watcher['hint'] = () => {},
): Promise<RegisterServer> {
  const { settings, db, log } = base;
  const hinter = makeHinter(db, log);
  const wake = (pool: string, priority: number) => {
    wakeOwn(pool, priority);
    hinter.hint(pool, priority);
  };
  const registrar = makeRegistrar({ db, wake });
  const app = await makeApp({
    ...registrar,
    register: countRegistrations(metrics.registry, registrar.register),
    readMetrics: metrics.read,
    observeRequest: addRequestMetrics(metrics.registry),
    log,
  });
  const address = await serve(app, settings);
  return { address, stop: () => stopServing(app) };
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
