// `umbel watch`: a watcher alone; as many of them as wanted, on as many machines.
import { Command } from 'commander';
import { findDatabaseUrl } from './database.ts';
import { guarded } from './exit.ts';
import { openMetrics, serveOwnMetrics } from './metrics-port.ts';
import { openService } from './service.ts';
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
    'processAllow',
    'pollInterval',
    'lease',
    'grace',
    'retention',
    'host',
    'publicUrl',
    'insecure',
    'metricsPort',
  ]);
}

async function runWatch(this: Command, { migrate = false }: { migrate?: boolean }): Promise<void> {
  const settings = settingsOf(this);
  const base = await openService(settings, await findDatabaseUrl(settings), migrate);
  const metrics = await openMetrics(base);
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
