// `umbel define`: creates or replaces the flows of files and says what changed. Writes nothing while a file has a problem.
import { Command } from 'commander';
import type { Changes } from '../src/registrar/definition/changes.ts';
import { EXIT, guarded } from './exit.ts';
import { readFlowFiles } from './flow-files.ts';
import { TENANT, withRegistrar } from './registrar.ts';
import { addSettings } from './settings.ts';

export function defineCommand(): Command {
  const command = new Command('define')
    .description('create or replace the flows of files')
    .argument('<file...>', 'YAML or JSON, one flow in each document; - is standard input')
    .addHelpText('after', '\nExecutions that run go on as they were registered.')
    .action(guarded(runDefine));
  return addSettings(command);
}

async function runDefine(this: Command, files: string[]): Promise<void> {
  const read = await readFlowFiles(files);
  const problems = read.flatMap((file) => file.problems);
  if (problems.length > 0) {
    console.error([...problems, 'Nothing was changed.'].join('\n'));
    process.exitCode = EXIT.failure;
    return;
  }
  await withRegistrar(this, async ({ flows }) => {
    for (const flow of read.flatMap((file) => file.flows)) {
      const { changes, version } = await flows.define({ tenant: TENANT, flow: flow.id }, flow);
      console.log(describeChanges(flow.id, changes, version));
    }
  });
}

/** `orders: changed (version 6f1c…): steps added: mail; steps removed: ship`. */
function describeChanges(id: string, changes: Changes, version: string | null): string {
  const { kind, added, changed, removed, keys } = changes;
  const parts = [
    listPart('steps added', kind === 'created' ? [] : added),
    listPart('steps changed', changed),
    listPart('steps removed', removed),
    listPart(
      'keys changed',
      keys.filter((key) => kind !== 'created' && key !== 'steps'),
    ),
    keys.includes('steps') ? ['order of steps changed'] : [],
  ].flat();
  const head = `${id}: ${kind} (version ${version ?? 'none'})`;
  return parts.length === 0 ? head : `${head}: ${parts.join('; ')}`;
}

function listPart(title: string, names: string[]): string[] {
  return names.length === 0 ? [] : [`${title}: ${names.join(', ')}`];
}
