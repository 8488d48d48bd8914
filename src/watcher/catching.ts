// What a step makes of its last failure: the first `catch` that takes the error's name lets its dependants go on, or the step of its
// `goto`. Called by begin.ts when retries are used up.
import type { Catch } from '../dag/catch.ts';
import type { TaskError } from '../dag/outcome.ts';
import type { Json } from '../dag/vocabulary.ts';
import { evaluate } from '../expressions/evaluate.ts';
import type { Scope } from '../expressions/scope.ts';
import { RESULT_LIMIT, writeJson } from './result.ts';
import { describeError } from './task-error.ts';

/** A `catch` as the watcher knows it: the step of its goto by exec seq. */
export interface KnownCatch extends Omit<Catch, 'goto'> {
  /** null: it goes on to all its dependants. */
  target: string | null;
}

/** Recorded as Ignore with that result; `chosen` are the dependants that go on, null: all. */
export interface Caught {
  kind: 'caught';
  error: TaskError;
  /** JSON. */
  text: string;
  chosen: string[] | null;
}

/** The error itself when nothing takes it; another one when the result of the catch cannot be worked out. */
export async function catchFailure(
  catches: readonly KnownCatch[],
  error: TaskError,
  scope: Scope | undefined,
): Promise<Caught | { kind: 'uncaught'; error: TaskError }> {
  const at = catches.findIndex(({ errors }) => errors.includes('*') || errors.includes(error.name));
  const taken = catches[at];
  if (taken === undefined) return { kind: 'uncaught', error };
  try {
    const text = writeResult(await workOutResult(taken, error, scope));
    return { kind: 'caught', error, text, chosen: taken.target === null ? null : [taken.target] };
  } catch (thrown) {
    const { message, ...rest } = describeError(thrown);
    const whole = `catch[${at}].result: ${message}; while catching ${error.name}: ${error.message}`;
    return { kind: 'uncaught', error: { ...rest, message: whole } };
  }
}

/** Who goes elsewhere is told what went wrong, unless the step says what to tell. */
async function workOutResult(
  { result, target }: KnownCatch,
  { name, message, details }: TaskError,
  scope: Scope | undefined,
): Promise<Json> {
  const told = { name, message, ...(details === undefined ? {} : { details }) };
  if (result === null) return target === null ? null : told;
  return evaluate(result, scope?.input ?? null, { ...scope, error: told });
}

function writeResult(value: Json): string {
  const written = writeJson(value, RESULT_LIMIT);
  if ('text' in written) return written.text;
  throw Object.assign(new Error(written.problem), { name: 'ResultError' });
}
