// `umbel executions ls|show|rerun`: what ran, and what became of it.
import { Command, InvalidArgumentError, Option } from 'commander';
import { guarded } from './exit.ts';
import { formatExecution } from './execution-text.ts';
import { TENANT, withRegistrar } from './registrar.ts';
import { rerunManyCommand } from './rerun-many.ts';
import { addSettings } from './settings.ts';
import { formatTable } from './table.ts';

export function executionsCommand(): Command {
  const ls = new Command('ls')
    .description('list executions, newest first')
    .option('--flow <task_id>', 'only of this flow')
    .option('--status <status>', 'only with this status')
    .addOption(new Option('--limit <number>', 'at most so many').default(50).argParser(toLimit))
    .action(guarded(runList));
  const show = new Command('show')
    .description('show an execution with its tasks and errors')
    .argument('<id>', 'task_flow_id of the execution')
    .option('--json', 'as JSON')
    .action(guarded(runShow));
  const executions = new Command('executions').description('list, show and rerun executions');
  for (const command of [ls, show, rerunManyCommand()]) executions.addCommand(addSettings(command));
  return executions;
}

function toLimit(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number from 1.');
}

async function runList(
  this: Command,
  filter: { flow?: string; status?: string; limit: number },
): Promise<void> {
  const { data, cursor } = await withRegistrar(this, ({ executions }) =>
    executions.list({ tenant: TENANT, ...filter }),
  );
  const names = ['id', 'flow', 'status', 'registered', 'finished'].map((name) => ({ name }));
  process.stdout.write(
    formatTable(
      names,
      data.map((e) => [e.id, e.flow, e.status, e.registeredAt, e.finishedAt]),
    ),
  );
  if (cursor !== undefined) console.error('There are more; --limit shows more of them.');
}

async function runShow(this: Command, id: string, { json }: { json?: boolean }): Promise<void> {
  const execution = await withRegistrar(this, ({ executions }) => executions.read({ tenant: TENANT, id }));
  process.stdout.write(json ? `${JSON.stringify(execution, null, 2)}\n` : formatExecution(execution));
}
