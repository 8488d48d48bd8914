// `umbel schedule`: a scheduler alone; as many of them as wanted, each time fires once.
import { Command } from 'commander';
import { findDatabaseUrl } from './database.ts';
import { guarded } from './exit.ts';
import { openMetrics, serveOwnMetrics } from './metrics-port.ts';
import { makeOwnReconciler } from './reconciling.ts';
import { makeOwnScheduler } from './scheduling.ts';
import { openService } from './service.ts';
import { addSettings, settingsOf } from './settings.ts';
import { stopOnSignals } from './signals.ts';

export function scheduleCommand(): Command {
  const command = new Command('schedule')
    .description('run a scheduler: starts the flows that have a cron when their time comes')
    .option('--migrate', 'bring the schema up first; otherwise it is waited for')
    .action(guarded(runSchedule));
  return addSettings(command, [
    'pollInterval',
    'startTimeout',
    'outboundAllow',
    'host',
    'insecure',
    'metricsPort',
  ]);
}

async function runSchedule(this: Command, { migrate = false }: { migrate?: boolean }): Promise<void> {
  const settings = settingsOf(this);
  const base = await openService(settings, await findDatabaseUrl(settings), migrate);
  const metrics = await openMetrics(base);
  const scheduler = makeOwnScheduler(base, metrics);
  const metricsServer = await serveOwnMetrics(base, metrics);
  const reconciler = makeOwnReconciler(base);
  scheduler.start();
  reconciler.start();
  stopOnSignals(async () => {
    base.log.info('stopping');
    await scheduler.stop();
    await reconciler.stop();
    await metricsServer?.stop();
    await base.db.close();
  });
}
