// Runs one program the way the watcher does, for the tests of single programs.
import type { RanOutcome } from '../../../src/watcher/ran.ts';
import { runTask, type Attempt } from '../../../src/watcher/run.ts';
import type { Program, ProgramLog } from '../../../src/programs/program.ts';
import { makeRegistry } from '../../../src/programs/registry.ts';
import { makeStop, type Stop } from '../../../src/watcher/stop.ts';
import type { TaskError } from '../../../src/dag/outcome.ts';
import type { Json } from '../../../src/dag/vocabulary.ts';

const silent: ProgramLog = { debug() {}, info() {}, warn() {}, error() {} };

export function makeAttempt(program: string, params: unknown, more: Partial<Attempt> = {}): Attempt {
  return {
    program,
    parameters: JSON.stringify(params),
    attempt: 1,
    idempotencyKey: 'key-1',
    execution: { id: 'execution-1', flow: 'flow-1' },
    step: { id: 'step-1', seq: '1' },
    log: silent,
    ...more,
  };
}

export function runProgram(
  program: Program,
  params: unknown = {},
  stop: Stop = makeStop(),
): Promise<RanOutcome> {
  return runTask(makeRegistry([program]), makeAttempt(program.name, params), {}, stop) as Promise<RanOutcome>;
}

/** The result of an attempt that must finish. */
export async function resultOf(program: Program, params?: unknown): Promise<Json> {
  const outcome = await runProgram(program, params);
  if (outcome.kind !== 'finished') throw new Error(`not finished: ${JSON.stringify(outcome)}`);
  return JSON.parse(outcome.text) as Json;
}

/** The error of an attempt that must fail. */
export async function errorOf(program: Program, params?: unknown, stop?: Stop): Promise<TaskError> {
  const outcome = await runProgram(program, params, stop);
  if (outcome.kind !== 'failed') throw new Error(`not failed: ${JSON.stringify(outcome)}`);
  return outcome.error;
}
