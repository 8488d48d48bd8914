// The command line: one subcommand a file beside this one, loaded only when it is asked for. Called by umbel.js.
import { Command } from 'commander';
import manifest from '../package.json' with { type: 'json' };
import { EXIT, endQuietlyWhenNobodyReads } from './exit.ts';

interface Entry {
  names: string[];
  load: () => Promise<Command[]>;
}

const one = (name: string, load: () => Promise<Command>): Entry => ({
  names: [name],
  load: async () => [await load()],
});

/** In the order in which the help lists them. */
export const ENTRIES: readonly Entry[] = [
  one('up', async () => (await import('./up.ts')).upCommand()),
  one('register', async () => (await import('./register.ts')).registerCommand()),
  one('watch', async () => (await import('./watch.ts')).watchCommand()),
  one('schedule', async () => (await import('./schedule.ts')).scheduleCommand()),
  one('define', async () => (await import('./define.ts')).defineCommand()),
  one('lint', async () => (await import('./lint.ts')).lintCommand()),
  one('export', async () => (await import('./export.ts')).exportCommand()),
  one('run', async () => (await import('./run.ts')).runCommand()),
  one('executions', async () => (await import('./executions.ts')).executionsCommand()),
  {
    names: ['pause', 'abort', 'resume', 'signal', 'rerun', 'skip', 'why'],
    load: async () => (await import('./control.ts')).controlCommands(),
  },
  one('subscriptions', async () => (await import('./subscriptions.ts')).subscriptionsCommand()),
  one('events', async () => (await import('./events.ts')).eventsCommand()),
  one('logs', async () => (await import('./logs.ts')).logsCommand()),
  one('flows', async () => (await import('./flows.ts')).flowsCommand()),
  one('programs', async () => (await import('./programs.ts')).programsCommand()),
  one('doctor', async () => (await import('./doctor.ts')).doctorCommand()),
  one('prune', async () => (await import('./prune.ts')).pruneCommand()),
  one('sql', async () => (await import('./sql.ts')).sqlCommand()),
  one('migrate', async () => (await import('./migrate.ts')).migrateCommand()),
];

/** Carries out what stands on the command line. */
export async function runCommandLine(): Promise<void> {
  endQuietlyWhenNobodyReads();
  const program = new Command('umbel')
    .description(manifest.description)
    .version(manifest.version)
    .showHelpAfterError('(--help says more)');
  for (const command of await loadCommands(process.argv[2])) program.addCommand(command);
  program.exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? EXIT.ok : EXIT.usage));
  inheritSettings(program);
  await program.parseAsync();
}

/** Those that are named so, else all: for the help, and for the near matches of a name that there is not. */
async function loadCommands(name: string | undefined): Promise<Command[]> {
  const named = ENTRIES.filter(({ names }) => name !== undefined && names.includes(name));
  const loaded = await Promise.all((named.length > 0 ? named : ENTRIES).map(({ load }) => load()));
  return loaded.flat();
}

/** Commander hands settings down only to the commands that it makes itself. */
function inheritSettings(parent: Command): void {
  for (const command of parent.commands) inheritSettings(command.copyInheritedSettings(parent));
}
