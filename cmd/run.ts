// `umbel run <task_id>` or `umbel run -f flow.yaml`: registers one execution and, with --wait, shows its progress until it ends.
import { setTimeout as sleep } from 'node:timers/promises';
import { Command, InvalidArgumentError } from 'commander';
import { UmbelError } from '../src/errors.ts';
import { makeLogger } from '../src/log.ts';
import { AD_HOC, defineAdHoc } from '../src/registrar/ad-hoc.ts';
import type { RegisterRequest } from '../src/registrar/register.ts';
import { makeRegistrar, type Registrar } from '../src/registrar/registrar.ts';
import { openDatabase, type Database } from '../src/sql/database.ts';
import { sendHint } from '../src/sql/wake.ts';
import { findDatabaseUrl } from './database.ts';
import { formatExecution, formatTaskLine } from './execution-text.ts';
import { EXIT, guarded } from './exit.ts';
import { type FlowFile, readFlowFiles } from './flow-files.ts';
import { addSettings, settingsOf } from './settings.ts';

interface RunFlags {
  param: Record<string, string>;
  wait?: boolean;
  file?: string;
}

const TENANT = 'local';
/** Milliseconds between looks, from first to longest. */
const LOOKS = { first: 50, longest: 500 };
const OPEN = new Set(['pending', 'running', 'waiting', 'paused', 'stopped', 'compensating']);

export function runCommand(): Command {
  const command = new Command('run')
    .description('register an execution of a flow')
    .argument('[task_id]', 'the flow')
    .option('-f, --file <file>', 'run the flow of this YAML file, without storing it; - is standard input')
    .option(
      '-p, --param <key=value>',
      'override a parameter of the steps that have it; may be repeated',
      addParam,
      {},
    )
    .option('-w, --wait', 'wait for its end and show progress; the exit code says how it ended')
    .action(guarded(runRun));
  return addSettings(command);
}

function addParam(text: string, params: Record<string, string>): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Write key=value.');
  return { ...params, [text.slice(0, at)]: text.slice(at + 1) };
}

async function runRun(this: Command, flow: string | undefined, flags: RunFlags): Promise<void> {
  const { param, wait, file } = flags;
  if ((flow === undefined) === (file === undefined)) this.error('Name a flow, or a file with --file.');
  const what = file === undefined ? { flow: flow! } : await readFlow(file);
  const settings = settingsOf(this);
  const db = openDatabase({ url: await findDatabaseUrl(settings), max: 2, log: makeLogger(settings) });
  try {
    const registrar = makeRegistrar({ db, wake: () => {} });
    const id = await register(db, registrar, what, param);
    console.log(id);
    if (wait) process.exitCode = await waitForEnd(registrar, id);
  } finally {
    await db.close();
  }
}

type What = Pick<RegisterRequest, 'flow' | 'definition'>;

async function readFlow(file: string): Promise<What> {
  const [{ flows, problems }] = (await readFlowFiles([file])) as [FlowFile];
  if (problems.length > 0) throw new UmbelError('CONFIG_INVALID', { problems });
  if (flows.length !== 1)
    throw new UmbelError('CONFIG_INVALID', {
      problems: [`${file}: must hold one flow, and holds ${flows.length}`],
    });
  return { flow: AD_HOC, definition: defineAdHoc(flows[0]!, TENANT) };
}

async function register(
  db: Database,
  registrar: Registrar,
  what: What,
  params: Record<string, string>,
): Promise<string> {
  const given = Object.keys(params).length > 0 ? { params } : {};
  const { id } = await registrar.register({ ...what, tenant: TENANT, ...given, trigger: { type: 'cli' } });
  const { tasks } = await registrar.executions.read({ tenant: TENANT, id });
  for (const { pool, priority } of tasks) await sendHint(db, { pool, priority });
  return id;
}

async function waitForEnd({ executions }: Registrar, id: string): Promise<number> {
  const shown = new Map<number, string>();
  for (let pause = LOOKS.first; ; pause = Math.min(pause * 1.5, LOOKS.longest)) {
    const execution = await executions.read({ tenant: TENANT, id });
    for (const task of execution.tasks) {
      if (task.execStatus !== 0 && shown.get(task.seq) !== task.status) console.error(formatTaskLine(task));
      shown.set(task.seq, task.status);
    }
    if (!OPEN.has(execution.status)) {
      process.stdout.write(formatExecution(execution));
      return execution.status === 'success' ? EXIT.ok : EXIT.failure;
    }
    await sleep(pause);
  }
}
