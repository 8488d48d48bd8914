// `umbel pause|abort|resume|signal|rerun|skip <execution> [step]` and `umbel why`: hands on an execution that is there.
import { Command, Option } from 'commander';
import type { Json, JsonObject } from '../src/dag/vocabulary.ts';
import { UmbelError } from '../src/errors.ts';
import type { Controlled } from '../src/registrar/control.ts';
import type { ExecutionTask } from '../src/registrar/executions.ts';
import type { Registrar } from '../src/registrar/registrar.ts';
import { guarded } from './exit.ts';
import { paramsFlag, readJson } from './params.ts';
import { TENANT, withRegistrar } from './registrar.ts';
import { addSettings } from './settings.ts';

const DESCRIPTIONS = {
  pause: 'let no task of an execution begin; running ones end',
  abort: 'stop an execution and what it started, for good',
} as const;

export function controlCommands(): Command[] {
  const verbs = (['pause', 'abort'] as const).map((verb) =>
    new Command(verb)
      .description(DESCRIPTIONS[verb])
      .argument('<execution>', 'task_flow_id of the execution')
      .action(controls((registrar, id: string) => registrar.control[verb]({ tenant: TENANT, id }))),
  );
  return [...verbs, resumeCommand(), signalCommand(), rerunCommand(), skipCommand(), whyCommand()].map(
    (command) => addSettings(command),
  );
}

function resumeCommand(): Command {
  return new Command('resume')
    .description('let an execution go on: paused, failed, aborted, or waiting for input')
    .argument('<execution>', 'task_flow_id of the execution')
    .addOption(new Option('--input <json>', 'for the one task that waits for a signal').argParser(readJson))
    .action(
      controls(({ control }, id: string, { input }: { input?: Json }) =>
        control.resume({ tenant: TENANT, id, input, by: TENANT }),
      ),
    );
}

function signalCommand(): Command {
  return new Command('signal')
    .description('send a signal to an execution; it is kept until a task waits for it')
    .argument('<execution>', 'task_flow_id of the execution')
    .argument('<name>', 'the name of the signal; of an approval the id of the step')
    .argument('[json]', 'its value; of an approval true or false', readJson)
    .option('--comment <text>', 'what to say about it')
    .action(
      controls(
        ({ control }, id: string, name: string, value: Json | undefined, flags: { comment?: string }) =>
          control.signal({ tenant: TENANT, id, name, value: value ?? null, by: TENANT, ...flags }),
      ),
    );
}

function skipCommand(): Command {
  return withTask(new Command('skip').description('do without a task: what comes after it goes on')).action(
    controls(({ control }, id: string, step: string) => control.skip({ tenant: TENANT, id, step })),
  );
}

function withTask(command: Command): Command {
  return command
    .argument('<execution>', 'task_flow_id of the execution')
    .argument('<step>', 'id of the step, or seq of the task');
}

interface RerunFlags {
  params?: JsonObject;
  downstream?: boolean;
}

function rerunCommand(): Command {
  return withTask(new Command('rerun').description('run a task again'))
    .addOption(paramsFlag())
    .option('--downstream', 'do again what comes after it, too')
    .action(
      controls(({ control }, id: string, step: string, flags: RerunFlags) =>
        control.rerun({ tenant: TENANT, id, step, ...flags }),
      ),
    );
}

function whyCommand(): Command {
  return new Command('why')
    .description('say why tasks of an execution do not run')
    .argument('<execution>', 'task_flow_id of the execution')
    .argument('[step]', 'id of the step, or seq of the task')
    .action(guarded(runWhy));
}

/** An action that carries a verb out and prints how the execution stands then. */
function controls<A extends unknown[]>(verb: (registrar: Registrar, ...args: A) => Promise<Controlled>) {
  return guarded(async function (this: Command, ...args: A): Promise<void> {
    const { id, status } = await withRegistrar(this, (registrar) => verb(registrar, ...args));
    process.stdout.write(`${id}  ${status}\n`);
  });
}

async function runWhy(this: Command, id: string, step: string | undefined): Promise<void> {
  const execution = await withRegistrar(this, ({ executions }) => executions.read({ tenant: TENANT, id }));
  const named = execution.tasks.filter((task) => step === undefined || isNamed(task, step));
  if (step !== undefined && named.length === 0)
    throw new UmbelError('TASK_NOT_FOUND', { execution: id, step });
  const lines = named.flatMap((task) => describe(task, step !== undefined));
  process.stdout.write([`${id}  ${execution.status}`, ...lines, ''].join('\n'));
}

function isNamed(task: ExecutionTask, step: string): boolean {
  return task.step === step || String(task.seq) === step;
}

function describe({ step, seq, why, status }: ExecutionTask, always: boolean): string[] {
  if (why !== null) return [`  ${step ?? seq}: ${why}`];
  return always ? [`  ${step ?? seq}: ${status === 'running' ? 'runs' : 'has finished'}`] : [];
}
