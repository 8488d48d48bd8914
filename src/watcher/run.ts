// Runs one claimed task: from the row's program name and parameter text to an outcome. Called by the loop.
// Whatever a program does, `runTask` answers with an outcome and never throws.
import type { Delivered, Outcome, TaskError, Wait } from '../dag/outcome.ts';
import type { Json, Problem } from '../dag/vocabulary.ts';
import { ProgramError } from '../programs/program-error.ts';
import type { Callback, Context, Program, ProgramLog, Signal } from '../programs/program.ts';
import { readParameters } from '../programs/parameters.ts';
import { isLater } from '../programs/later.ts';
import { isWaiting } from '../programs/wait-for.ts';
import type { Scope } from '../expressions/scope.ts';
import type { Registry } from '../programs/registry.ts';
import type { Redact } from './redact.ts';
import { RESULT_LIMIT, writeJson } from './result.ts';

import { makeStop, type Stop } from './stop.ts';
import { describeError } from './task-error.ts';
import type { AttemptData } from './task-data.ts';

/** One attempt as claimed: what the rows say, and what the program is told. */
export interface Attempt {
  /** null: no definition row names the program. */
  program: string | null;
  /** The row's `parameters`, unparsed. */
  parameters: string;
  /** Needed only when the program declares `readsInput`. */
  input?: Json;
  /** What the last attempt left. */
  checkpoint?: Json;
  /** What the task waited for outside. */
  delivered?: Delivered | null;
  /** Where others answer for the task, when its step awaits that. */
  callback?: Callback | null;
  /** 1 for the first attempt. */
  attempt: number;
  idempotencyKey: string;
  execution: { id: string; flow: string };
  step: { id: string; seq: string };
  log: ProgramLog;
  /** Absent: the step has no expressions. */
  data?: AttemptData | undefined;
  /** Picks from what the program returned. */
  select?: ((result: unknown, program: string) => Promise<Json>) | undefined;
  /** Takes out the secrets that the parameters hold. */
  redact?: Redact | undefined;
}

export interface Limits {
  /** Milliseconds for this attempt; null: none; absent: what the program declares. */
  timeout?: number | null;
  /** Bytes of a result; 1 MiB when absent. */
  resultBytes?: number;
}

/** How the attempt itself ended; after a failure, with what the step's expressions saw. A result comes also as the JSON text that was checked, so that it is written once. */
export type RanOutcome =
  | { kind: 'finished'; result: Json; text: string }
  | ({ kind: 'failed'; error: TaskError; scope?: Scope | undefined } & Retriable)
  | Extract<Outcome, { kind: 'sleep' | 'wait' | 'skipped' }>;

/** What the failure itself says of trying again. */
interface Retriable {
  retryable: boolean;
  /** Milliseconds that the program asked to wait. */
  after?: number;
}

// A longer timer would overflow Node's 32 bits and fire at once; this is 24 days.
const LONGEST_TIMER = 2 ** 31 - 1;

/** Runs the attempt to its outcome; `stop` ends it from outside. */
export async function runTask(
  registry: Registry,
  attempt: Attempt,
  limits: Limits = {},
  stop: Stop = makeStop(),
): Promise<RanOutcome> {
  try {
    const raw = parseParameters(attempt.parameters);
    const program = findProgram(registry, attempt);
    const { delivered, select } = attempt;
    if (delivered?.error) return { kind: 'failed', error: delivered.error, retryable: true };
    const result =
      delivered && delivered.kind !== 'signal'
        ? delivered.value
        : await runProgram(program, raw, attempt, limits, stop);
    const chosen = select && isDone(result) ? await select(result, program.name) : result;
    return finish(program, chosen, attempt, limits.resultBytes ?? RESULT_LIMIT);
  } catch (thrown) {
    return {
      kind: 'failed',
      error: describeError(thrown, attempt.redact),
      ...readRetriable(thrown),
    };
  }
}

async function runProgram(
  program: Program,
  raw: unknown,
  attempt: Attempt,
  limits: Limits,
  stop: Stop,
): Promise<unknown> {
  const params = checkParameters(program, raw, attempt.redact);
  const time = limits.timeout === undefined ? program.timeout : limits.timeout;
  return runWithin(time, program, makeContext(attempt, params, program, stop), stop);
}

function parseParameters(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw refuse(
      'InvalidParametersError',
      `the parameters of the task are not JSON: ${(cause as Error).message}`,
    );
  }
}

function findProgram(registry: Registry, { program: name, execution, step }: Attempt): Program {
  if (name === null)
    throw refuse(
      'UnknownProgramError',
      `no row of ms_task_definition has task_id "${execution.flow}" and task_seq ${step.seq}, so no program is known`,
    );
  const program = registry.get(name);
  if (!program) throw refuse('UnknownProgramError', registry.describeUnknown(name));
  return program;
}

function checkParameters(program: Program, raw: unknown, redact: Redact | undefined): unknown {
  // A value that is cut short could not be told from anything else.
  const read = readParameters(program, raw, { showValues: redact === undefined });
  if (read.ok) return read.params;
  const problems = read.problems.map(({ path, message }) => `${path}: ${message}`).join('; ');
  throw refuse('InvalidParametersError', `${program.name} cannot run: ${problems}`, read.problems);
}

function makeContext(attempt: Attempt, params: unknown, program: Program, stop: Stop): Context {
  return {
    params,
    input: program.readsInput ? (attempt.input ?? null) : null,
    log: attempt.log,
    // Lazy: most programs never look at it, and an AbortController costs more than the rest of this file.
    get signal() {
      return stop.signal;
    },
    checkpoint: attempt.checkpoint ?? null,
    callback: attempt.callback ?? null,
    delivered: attempt.delivered ? readSignal(attempt.delivered) : null,
    attempt: attempt.attempt,
    idempotencyKey: attempt.idempotencyKey,
    execution: attempt.execution,
    step: attempt.step,
  };
}

/** What the program returns, unless the time is over or it is stopped before: then it is awaited no longer. */
function runWithin(timeout: number | null, program: Program, context: Context, stop: Stop): unknown {
  if (stop.error) throw stop.error;
  const returned = program.run(context);
  if (!isThenable(returned)) return returned;
  return new Promise((resolve, reject) => {
    const timer =
      timeout === null
        ? undefined
        : setTimeout(() => stop.stop(timedOut(program, timeout)), Math.min(timeout, LONGEST_TIMER));
    // A rejection that comes after a stop lands here too, so it is never unhandled.
    void Promise.resolve(returned)
      .then(resolve, reject)
      .then(() => clearTimeout(timer));
    stop.onStop((error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  );
}

function timedOut(program: Program, timeout: number): Error {
  return refuse('TimeoutError', `${program.name} did not end within ${timeout} ms`);
}

function isDone(result: unknown): boolean {
  return !isLater(result) && !isWaiting(result);
}

function finish(program: Program, result: unknown, { redact }: Attempt, limit: number): RanOutcome {
  const checkpointOf = (checkpoint: unknown) =>
    JSON.parse(write(program, 'checkpoint', checkpoint, limit, redact).text) as Json;
  if (isLater(result))
    return { kind: 'sleep', delay: result.delay, checkpoint: checkpointOf(result.checkpoint) };
  if (isWaiting(result)) {
    const { timeout, wait } = result;
    return {
      kind: 'wait',
      wait: redactWait(wait, redact),
      timeout,
      checkpoint: checkpointOf(result.checkpoint),
    };
  }
  const { value, text } = write(program, 'result', result, limit, redact);
  return { kind: 'finished', result: value, text };
}

function redactWait(wait: Wait, redact: Redact | undefined): Wait {
  return redact === undefined || wait.default === undefined
    ? wait
    : { ...wait, default: redact.json(wait.default) };
}

function write(program: Program, what: string, value: unknown, limit: number, redact: Redact | undefined) {
  const written = writeJson(value, limit);
  if ('problem' in written) throw refuse('ResultError', `the ${what} of ${program.name} ${written.problem}`);
  const { text } = written;
  if (redact === undefined || redact.text(text) === text) return { value: (value ?? null) as Json, text };
  const redacted = redact.json(JSON.parse(text) as Json);
  return { value: redacted, text: JSON.stringify(redacted) };
}

function readSignal({ value = null, by = null, comment = null, at, timedOut = false }: Delivered): Signal {
  return { value, by, comment, at: at ?? null, timedOut };
}

function readRetriable(thrown: unknown): Retriable {
  const { retryable, delay } = (thrown instanceof ProgramError ? thrown : {}) as {
    retryable?: boolean;
    delay?: number;
  };
  return { retryable: retryable !== false, ...(typeof delay === 'number' ? { after: delay } : {}) };
}

// The engine's own refusals: where in the engine they were raised helps nobody, so they carry no stack.
export function refuse(name: string, message: string, problems?: Problem[]): Error {
  const details = problems
    ? { problems: problems.map(({ path, message }) => ({ path, message })) }
    : undefined;
  const error = new ProgramError(message, details ? { name, details } : { name });
  delete error.stack;
  // Only a time-out may go better the next time.
  return Object.assign(error, { retryable: name === 'TimeoutError' });
}
