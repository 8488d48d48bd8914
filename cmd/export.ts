// `umbel export`: prints a flow as YAML, however it was defined.
import { Command } from 'commander';
import { writeYaml } from '../src/registrar/definition/yaml.ts';
import { guarded } from './exit.ts';
import { TENANT, withRegistrar } from './registrar.ts';
import { addSettings } from './settings.ts';

export function exportCommand(): Command {
  const command = new Command('export')
    .description('print a flow as YAML that "umbel define" takes')
    .argument('<flow>')
    .action(guarded(runExport));
  return addSettings(command);
}

async function runExport(this: Command, id: string): Promise<void> {
  const { flow } = await withRegistrar(this, ({ flows }) => flows.read({ tenant: TENANT, flow: id }));
  process.stdout.write(writeYaml(flow));
}
