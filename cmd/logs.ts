// `umbel logs <execution> [step]`: what its programs logged, and with -f what they log until it has ended.
import { setTimeout as sleep } from 'node:timers/promises';
import { Command, Option } from 'commander';
import { UmbelError } from '../src/errors.ts';
import type { ExecutionTask } from '../src/registrar/executions.ts';
import { LOG_LEVELS, type TaskLogLine, type TaskLogRequest } from '../src/registrar/logs.ts';
import type { Registrar } from '../src/registrar/registrar.ts';
import { guarded } from './exit.ts';
import { TENANT, withRegistrar } from './registrar.ts';
import { addSettings } from './settings.ts';

interface Flags {
  follow?: boolean;
  level?: TaskLogRequest['level'];
}

/** What is read of one task: from where on, and whether more may come. */
interface Reading {
  seq: string;
  name: string;
  cursor?: string | undefined;
  done: boolean;
}

const LIMIT = 500;
const EVERY = 250;

export function logsCommand(): Command {
  const command = new Command('logs')
    .description('show what the programs of an execution logged')
    .argument('<execution>', 'task_flow_id of the execution')
    .argument('[step]', 'id of the step, or seq of the task')
    .option('-f, --follow', 'go on until all of it has ended')
    .addOption(
      new Option('--level <level>', 'only lines of this level and of worse ones').choices(LOG_LEVELS),
    )
    .action(guarded(runLogs));
  return addSettings(command);
}

async function runLogs(this: Command, id: string, step: string | undefined, flags: Flags): Promise<void> {
  await withRegistrar(this, async (registrar) => {
    const { tasks } = await registrar.executions.read({ tenant: TENANT, id });
    const named = tasks.filter((task) => step === undefined || isNamed(task, step));
    if (step !== undefined && named.length === 0)
      throw new UmbelError('TASK_NOT_FOUND', { execution: id, step });
    const readings = named.map((task) => ({
      seq: String(task.seq),
      name: task.step ?? String(task.seq),
      done: false,
    }));
    await print(registrar, id, readings, flags);
  });
}

function isNamed(task: ExecutionTask, step: string): boolean {
  return task.step === step || String(task.seq) === step;
}

async function print(registrar: Registrar, id: string, readings: Reading[], flags: Flags): Promise<void> {
  const names = readings.length > 1;
  for (;;) {
    const { lines, more } = await readNext(registrar, id, readings, flags);
    for (const { line, name } of lines) process.stdout.write(formatLine(line, names ? name : null));
    if (more) continue;
    if (!flags.follow || readings.every(({ done }) => done)) return;
    if (lines.length === 0 && (await hasEnded(registrar, id))) return;
    await sleep(EVERY);
  }
}

/** The next lines of all tasks, in the order in which they were logged. */
async function readNext({ logs }: Registrar, id: string, readings: Reading[], { level }: Flags) {
  const found: { line: TaskLogLine; name: string }[] = [];
  let more = false;
  for (const reading of readings) {
    if (reading.done) continue;
    const { seq: step, cursor, name } = reading;
    const page = await logs.readTask({ tenant: TENANT, id, step, cursor, level, limit: LIMIT });
    found.push(...page.data.map((line) => ({ line, name })));
    Object.assign(reading, { cursor: page.cursor, done: page.done });
    more ||= page.data.length === LIMIT;
  }
  const lines = found.toSorted((a, b) =>
    a.line.time < b.line.time ? -1 : a.line.time > b.line.time ? 1 : 0,
  );
  return { lines, more };
}

const GOING_ON = new Set(['pending', 'running', 'waiting', 'paused', 'stopped', 'compensating']);

/** One that stands failed has tasks that wait for ever. */
async function hasEnded({ executions }: Registrar, id: string): Promise<boolean> {
  const { status, finishedAt } = await executions.read({ tenant: TENANT, id });
  return !GOING_ON.has(status) && Date.now() - Date.parse(finishedAt ?? '') > 1_000;
}

function formatLine({ time, level, message, fields }: TaskLogLine, name: string | null): string {
  const more = fields === null ? '' : ` ${JSON.stringify(fields)}`;
  return `${time} ${level.padEnd(5)} ${name === null ? '' : `${name}: `}${message}${more}\n`;
}
