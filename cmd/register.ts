// `umbel register`: the register server alone.
import { Command } from 'commander';
import { insertSample } from '../src/sql/sample.ts';
import { findDatabaseUrl } from './database.ts';
import { guarded } from './exit.ts';
import { makeOwnMetrics } from './counting.ts';
import { openService } from './service.ts';
import { startRegisterServer } from './serving.ts';
import { addSettings, settingsOf } from './settings.ts';
import { stopOnSignals } from './signals.ts';

export function registerCommand(): Command {
  const command = new Command('register')
    .description('run the register server: POST /register/<task_id>')
    .option('--migrate', 'bring the schema up first; otherwise it is waited for')
    .option(
      '--sample <url>',
      'put the flow "example" in an empty database; its last step posts to this address',
    )
    .action(guarded(runRegister));
  return addSettings(command, [
    'host',
    'port',
    'publicUrl',
    'auth',
    'insecure',
    'outboundAllow',
    'startTimeout',
    'pollInterval',
    'eventRetention',
    'serviceName',
  ]);
}

interface RegisterFlags {
  migrate?: boolean;
  sample?: string;
}

async function runRegister(this: Command, { migrate = false, sample }: RegisterFlags): Promise<void> {
  const settings = settingsOf(this);
  const base = await openService(settings, await findDatabaseUrl(settings), migrate);
  if (sample !== undefined) await insertSample(base.db, sample);
  const server = await startRegisterServer(base, makeOwnMetrics(base));
  stopOnSignals(async () => {
    await server.stop();
    await base.db.close();
  });
  base.log.info({ address: server.address }, 'listening');
}
