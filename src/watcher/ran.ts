// How an attempt ended, made of what its program returned. Called by run.ts.
import type { Outcome, TaskError, Wait } from '../dag/outcome.ts';
import type { Json } from '../dag/vocabulary.ts';
import type { Scope } from '../expressions/scope.ts';
import { isLater } from '../programs/later.ts';
import type { Program } from '../programs/program.ts';
import { isStarting, type Starting } from '../programs/start-flow.ts';
import { isWaiting } from '../programs/wait-for.ts';
import type { Redact } from './redact.ts';
import { refuse } from './refuse.ts';
import { RESULT_LIMIT, writeJson } from './result.ts';

/** How the attempt itself ended; after a failure, with what the step's expressions saw. A result comes also as the JSON text that was checked, so that it is written once;
 * with `chosen`, only these dependants (exec seqs) go on. */
export type RanOutcome =
  | { kind: 'finished'; result: Json; text: string; chosen?: string[] }
  | ({ kind: 'failed'; error: TaskError; scope?: Scope | undefined } & Retriable)
  | Extract<Outcome, { kind: 'sleep' | 'wait' | 'skipped' }>;

/** It asks for an execution to be started. */
export type StartOutcome = { kind: 'start' } & Starting;

/** What the failure itself says of trying again. */
export interface Retriable {
  retryable: boolean;
  /** Milliseconds that the program asked to wait. */
  after?: number;
}

/** Whether it is a result, and not how to go on later. */
export function isDone(result: unknown): boolean {
  return !isLater(result) && !isWaiting(result) && !isStarting(result);
}

export function finish(
  program: Program,
  result: unknown,
  redact: Redact | undefined,
  limit: number,
): RanOutcome | StartOutcome {
  if (isStarting(result)) {
    const input = redact === undefined ? result.input : redact.json(result.input);
    return { kind: 'start', ...result, input };
  }
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

/** JSON text; undefined: there is none. */
export function writeCheckpoint(
  program: Program,
  checkpoint: Json | undefined,
  redact: Redact | undefined,
): string | undefined {
  return checkpoint === undefined
    ? undefined
    : write(program, 'checkpoint', checkpoint, RESULT_LIMIT, redact).text;
}

function write(program: Program, what: string, value: unknown, limit: number, redact: Redact | undefined) {
  const written = writeJson(value, limit);
  if ('problem' in written) throw refuse('ResultError', `the ${what} of ${program.name} ${written.problem}`);
  const { text } = written;
  if (redact === undefined || redact.text(text) === text) return { value: (value ?? null) as Json, text };
  const redacted = redact.json(JSON.parse(text) as Json);
  return { value: redacted, text: JSON.stringify(redacted) };
}
