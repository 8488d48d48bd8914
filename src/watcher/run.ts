// Runs one claimed task: from the row's program name and parameter text to an outcome. Called by the loop.
// Whatever a program does, `runTask` answers with an outcome and never throws.
import type { Delivered } from '../dag/outcome.ts';
import type { Json } from '../dag/vocabulary.ts';
import { ProgramError } from '../programs/program-error.ts';
import type { Callback, Context, Program, ProgramLog, Signal, Snapshot } from '../programs/program.ts';
import { readParameters } from '../programs/parameters.ts';
import type { Registry } from '../programs/registry.ts';
import type { Redact } from './redact.ts';
import {
  finish,
  isDone,
  writeCheckpoint,
  type RanOutcome,
  type Retriable,
  type StartOutcome,
} from './ran.ts';
import { refuse } from './refuse.ts';
import { RESULT_LIMIT } from './result.ts';
import { makeStop, type Stop } from './stop.ts';
import { describeError } from './task-error.ts';
import { NO_SNAPSHOT } from './snapshot.ts';
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
  /** Takes signs of life, with the JSON text of a checkpoint if there is one. */
  beat?: (checkpoint: string | undefined) => void;
  /** Where others answer for the task, when its step awaits that. */
  callback?: Callback | null;
  /** 1 for the first attempt. */
  attempt: number;
  idempotencyKey: string;
  execution: { id: string; flow: string };
  step: { id: string; seq: string };
  log: ProgramLog;
  /** Absent: it remembers nothing. */
  snapshot?: Snapshot;
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

// A longer timer would overflow Node's 32 bits and fire at once; this is 24 days.
const LONGEST_TIMER = 2 ** 31 - 1;

/** Runs the attempt to its outcome; `stop` ends it from outside. */
export async function runTask(
  registry: Registry,
  attempt: Attempt,
  limits: Limits = {},
  stop: Stop = makeStop(),
): Promise<RanOutcome | StartOutcome> {
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
    return finish(program, chosen, attempt.redact, limits.resultBytes ?? RESULT_LIMIT);
  } catch (thrown) {
    return {
      kind: 'failed',
      error: describeError(thrown, attempt.redact),
      ...readRetriable(thrown),
    };
  }
}

function runProgram(program: Program, raw: unknown, attempt: Attempt, limits: Limits, stop: Stop): unknown {
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
    snapshot: attempt.snapshot ?? NO_SNAPSHOT,
    callback: attempt.callback ?? null,
    heartbeat: (checkpoint) => attempt.beat?.(writeCheckpoint(program, checkpoint, attempt.redact)),
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
