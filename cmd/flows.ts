// `umbel flows ls|show|start|stop`: flows and where they stand.
import { Command } from 'commander';
import { stringify } from 'yaml';
import type { Standing } from '../src/registrar/life-cycle/start-stop.ts';
import type { FlowPage } from '../src/registrar/repository/repository.ts';
import { EXIT, guarded, reportError } from './exit.ts';
import { TENANT, withRegistrar } from './registrar.ts';
import { addSettings } from './settings.ts';
import { formatTable } from './table.ts';

const VIEWER = { tenant: TENANT };

export function flowsCommand(): Command {
  const ls = new Command('ls')
    .description('list flows')
    .option('--search <text>', 'only with this in name or description')
    .action(guarded(runList));
  const show = new Command('show')
    .description('show a flow as a graph, and where it stands')
    .argument('<id>', 'task_id of the flow')
    .option('--json', 'as JSON')
    .action(guarded(runShow));
  const flows = new Command('flows').description('list, show, start and stop flows');
  for (const command of [ls, show, moveCommand('start'), moveCommand('stop')])
    flows.addCommand(addSettings(command));
  return flows;
}

function moveCommand(verb: 'start' | 'stop'): Command {
  const description =
    verb === 'start'
      ? 'start flows: open their hooks, fire their schedules'
      : 'stop flows; their executions go on';
  return new Command(verb)
    .description(description)
    .argument('<id...>', 'task_ids of flows')
    .action(
      guarded(async function (this: Command, ids: string[]) {
        await withRegistrar(this, ({ lifeCycle }) => moveEach(ids, (id) => lifeCycle[verb](VIEWER, id)));
      }),
    );
}

/** Each for itself; the command fails when one does. */
async function moveEach(ids: string[], move: (id: string) => Promise<Standing>): Promise<void> {
  for (const id of ids) {
    try {
      const { status } = await move(id);
      process.stdout.write(`${id}  ${status}\n`);
    } catch (error) {
      reportError(error);
      process.exitCode = EXIT.failure;
    }
  }
}

const PAGE = 100;

async function runList(this: Command, { search }: { search?: string }): Promise<void> {
  const names = ['id', 'status', 'starts by', 'name'].map((name) => ({ name }));
  const rows = await withRegistrar(this, async ({ flowRepository }) => {
    const listed: (string | null)[][] = [];
    for (let offset = 0; ; offset += PAGE) {
      const page: FlowPage = {
        filter: { search },
        order: { key: 'createdAt', descending: false },
        offset,
        limit: PAGE,
      };
      const { flows, total } = await flowRepository.list(VIEWER, page);
      for (const { id, status, cron, timezone, name } of flows)
        listed.push([id, status, cron === undefined ? 'hook' : `${cron} ${timezone ?? 'UTC'}`, name ?? null]);
      if (offset + PAGE >= total) return listed;
    }
  });
  process.stdout.write(formatTable(names, rows));
}

async function runShow(this: Command, id: string, { json }: { json?: boolean }): Promise<void> {
  const flow = await withRegistrar(this, ({ flowRepository }) => flowRepository.read(VIEWER, id));
  process.stdout.write(json ? `${JSON.stringify(flow, null, 2)}\n` : stringify(flow, { lineWidth: 110 }));
}
