// `umbel programs`: what tasks can run, and with which parameters.
import { Command } from 'commander';
import type { Program } from '../src/programs/program.ts';
import { guarded } from './exit.ts';
import { makeProgramRegistry } from './watching.ts';
import { addSettings, settingsOf } from './settings.ts';
import { formatTable } from './table.ts';

export function programsCommand(): Command {
  const command = new Command('programs')
    .description('list the programs that tasks can run')
    .action(guarded(runPrograms));
  return addSettings(command, ['programs']);
}

async function runPrograms(this: Command): Promise<void> {
  const registry = await makeProgramRegistry(settingsOf(this));
  const rows = registry.list().map((program) => [program.name, describeParams(program), program.description]);
  process.stdout.write(
    formatTable([{ name: 'program' }, { name: 'parameters' }, { name: 'description' }], rows),
  );
}

/** `URL, BODY, [timeout]`: the optional ones in brackets. */
function describeParams({ params }: Program): string {
  const required = new Set(params.required ?? []);
  return Object.keys(params.properties)
    .map((name) => (required.has(name) ? name : `[${name}]`))
    .join(', ');
}
