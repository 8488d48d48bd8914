// `umbel up`: everything in one process, on the embedded Postgres or on DATABASE_URL.
import { Command } from 'commander';
import type { Settings } from '../src/config.ts';
import { makeLogger } from '../src/log.ts';
import { insertSample } from '../src/sql/sample.ts';
import type { Watcher } from '../src/watcher/watcher.ts';
import { startDatabase } from './database.ts';
import { guarded } from './exit.ts';
import { makeOwnMetrics } from './counting.ts';
import { makeOwnScheduler } from './scheduling.ts';
import { openService } from './service.ts';
import { startRegisterServer } from './serving.ts';
import { makeOwnWatcher } from './watching.ts';
import { addSettings, settingsOf } from './settings.ts';
import { stopOnSignals } from './signals.ts';

export function upCommand(): Command {
  const command = new Command('up')
    .description('run everything in one process: database, register server, scheduler, watcher')
    .action(guarded(runUp));
  return addSettings(command, [
    'host',
    'port',
    'publicUrl',
    'auth',
    'insecure',
    'workers',
    'pool',
    'programs',
    'outboundAllow',
    'processAllow',
    'pollInterval',
    'lease',
    'grace',
    'startTimeout',
    'retention',
    'eventRetention',
    'serviceName',
  ]);
}

async function runUp(this: Command): Promise<void> {
  const settings = settingsOf(this);
  const database = await startDatabase(settings, makeLogger(settings));
  try {
    await startAll(settings, database);
  } catch (error) {
    await database.stop();
    throw error;
  }
}

async function startAll(
  settings: Settings,
  database: { url: string; stop: () => Promise<void> },
): Promise<void> {
  const base = await openService(settings, database.url, true);
  const metrics = makeOwnMetrics(base);
  let hint: Watcher['hint'] = () => {};
  const wakeOwn: Watcher['hint'] = (pool, priority) => hint(pool, priority);
  const server = await startRegisterServer(base, metrics, wakeOwn);
  const scheduler = makeOwnScheduler(base, metrics, wakeOwn);
  const publicUrl = publicUrlOf(settings, server.address);
  const own = { ...base, settings: { ...settings, publicUrl } };
  const watcher = await makeOwnWatcher(own, metrics, server.hear);
  hint = (pool, priority) => watcher.hint(pool, priority);
  const sampled = await insertSample(base.db, `${publicUrl}/echo`);
  await watcher.start();
  scheduler.start();
  stopOnSignals(async () => {
    base.log.info('stopping');
    await server.stop();
    await scheduler.stop();
    await watcher.stop(settings.grace);
    await base.db.close();
    await database.stop();
  });
  greet(settings, publicUrl, sampled);
}

/** With port 0 only the server knows its address. */
function publicUrlOf(settings: Settings, address: string): string {
  return settings.port === 0 ? address : settings.publicUrl;
}

function greet({ databaseUrl, dataDir }: Settings, url: string, sampled: boolean): void {
  const lines = [
    `Umbel is up at ${url} (docs at ${url}/docs).`,
    databaseUrl === undefined
      ? `Its database is the embedded Postgres in ${dataDir}; "npx umbel sql" talks to it.`
      : undefined,
    sampled ? 'The flow "example" was put in the empty database.' : undefined,
    `Try it:  curl -X POST ${url}/register/example`,
  ];
  console.log(lines.filter((line) => line !== undefined).join('\n'));
}
