// `umbel register`: the register server alone.
import { Command } from 'commander';
import { findDatabaseUrl } from './database.ts';
import { guarded } from './exit.ts';
import { makeOwnMetrics, openService, startRegisterServer } from './services.ts';
import { addSettings, settingsOf } from './settings.ts';
import { stopOnSignals } from './signals.ts';

export function registerCommand(): Command {
  const command = new Command('register')
    .description('run the register server: POST /register/<task_id>')
    .option('--migrate', 'bring the schema up first; otherwise it is waited for')
    .action(guarded(runRegister));
  return addSettings(command, ['host', 'port', 'publicUrl', 'auth', 'insecure']);
}

async function runRegister(this: Command, { migrate = false }: { migrate?: boolean }): Promise<void> {
  const settings = settingsOf(this);
  const base = await openService(settings, await findDatabaseUrl(settings), migrate);
  const server = await startRegisterServer(base, makeOwnMetrics(base));
  stopOnSignals(async () => {
    await server.stop();
    await base.db.close();
  });
  base.log.info({ address: server.address }, 'listening');
}
