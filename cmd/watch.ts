// `umbel watch`: a watcher alone; as many of them as wanted, on as many machines.
import { Command } from 'commander';
import type { Metrics } from '../src/metrics/metrics.ts';
import type { MetricsServer } from '../src/metrics/serve.ts';
import { findDatabaseUrl } from './database.ts';
import { guarded } from './exit.ts';
import { openService, type Base } from './service.ts';
import { makeOwnWatcher } from './watching.ts';
import { addSettings, settingsOf } from './settings.ts';
import { stopOnSignals } from './signals.ts';

export function watchCommand(): Command {
  const command = new Command('watch')
    .description('run a watcher: claims tasks and runs their programs')
    .option('--migrate', 'bring the schema up first; otherwise it is waited for')
    .action(guarded(runWatch));
  return addSettings(command, [
    'workers',
    'pool',
    'programs',
    'outboundAllow',
    'pollInterval',
    'lease',
    'grace',
    'retention',
    'host',
    'insecure',
    'metricsPort',
  ]);
}

async function runWatch(this: Command, { migrate = false }: { migrate?: boolean }): Promise<void> {
  const settings = settingsOf(this);
  const base = await openService(settings, await findDatabaseUrl(settings), migrate);
  const metrics = settings.metricsPort === undefined ? undefined : await loadMetrics(base);
  const watcher = await makeOwnWatcher(base, metrics);
  const metricsServer = await serveOwnMetrics(base, metrics);
  await watcher.start();
  stopOnSignals(async () => {
    base.log.info({ grace: settings.grace }, 'stopping: running tasks get their grace time');
    await watcher.stop(settings.grace);
    await metricsServer?.stop();
    await base.db.close();
  });
}

/** Loaded only where they are asked for. */
async function loadMetrics(base: Base): Promise<Metrics> {
  const { makeOwnMetrics } = await import('./counting.ts');
  return makeOwnMetrics(base);
}

async function serveOwnMetrics(
  { settings: { host, metricsPort: port }, log }: Base,
  metrics: Metrics | undefined,
): Promise<MetricsServer | undefined> {
  if (metrics === undefined || port === undefined) return undefined;
  const { serveMetrics } = await import('../src/metrics/serve.ts');
  const server = await serveMetrics(metrics, { host, port });
  log.info({ address: server.address }, 'serving metrics');
  return server;
}
