#!/usr/bin/env node
// The command line: one subcommand a file beside this one.
import { Command } from 'commander';
import manifest from '../package.json' with { type: 'json' };
import { controlCommands } from './control.ts';
import { defineCommand } from './define.ts';
import { doctorCommand } from './doctor.ts';
import { EXIT, endQuietlyWhenNobodyReads } from './exit.ts';
import { executionsCommand } from './executions.ts';
import { exportCommand } from './export.ts';
import { lintCommand } from './lint.ts';
import { migrateCommand } from './migrate.ts';
import { programsCommand } from './programs.ts';
import { pruneCommand } from './prune.ts';
import { registerCommand } from './register.ts';
import { runCommand } from './run.ts';
import { sqlCommand } from './sql.ts';
import { upCommand } from './up.ts';
import { watchCommand } from './watch.ts';

endQuietlyWhenNobodyReads();

const program = new Command('umbel')
  .description(manifest.description)
  .version(manifest.version)
  .showHelpAfterError('(--help says more)');
const commands = [
  upCommand(),
  registerCommand(),
  watchCommand(),
  defineCommand(),
  lintCommand(),
  exportCommand(),
  runCommand(),
  executionsCommand(),
  ...controlCommands(),
  programsCommand(),
  doctorCommand(),
  pruneCommand(),
  sqlCommand(),
  migrateCommand(),
];
for (const command of commands) program.addCommand(command);
program.exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? EXIT.ok : EXIT.usage));
inheritSettings(program);
await program.parseAsync();

/** Commander hands settings down only to the commands that it makes itself. */
function inheritSettings(parent: Command): void {
  for (const command of parent.commands) inheritSettings(command.copyInheritedSettings(parent));
}
