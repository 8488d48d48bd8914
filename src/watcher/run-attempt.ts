// Runs an attempt, its expressions worked out first: input, condition and parameters before the program, `select` and the
// conditions of edges after it. An attempt
// without expressions goes straight to run.ts. Called by begin.ts.
import { isDeepStrictEqual } from 'node:util';
import type { Json, JsonObject } from '../dag/vocabulary.ts';
import { evaluate, isTrue } from '../expressions/evaluate.ts';
import { ExpressionError } from '../expressions/expression-error.ts';
import type { Scope } from '../expressions/scope.ts';
import { fillTemplate } from '../expressions/template.ts';
import type { Registry } from '../programs/registry.ts';
import { choose } from './choosing.ts';
import { makeRedact } from './redact.ts';
import { RESULT_LIMIT, writeJson } from './result.ts';
import type { RanOutcome, StartOutcome } from './ran.ts';
import { refuse } from './refuse.ts';
import { type Attempt, type Limits, runTask } from './run.ts';
import type { Stop } from './stop.ts';
import { describeError } from './task-error.ts';
import type { AttemptData, TaskData } from './task-data.ts';

export type RunAttempt = (
  registry: Registry,
  attempt: Attempt,
  limits?: Limits,
  stop?: Stop,
) => Promise<RanOutcome | StartOutcome>;

export const runAttempt: RunAttempt = (registry, attempt, limits, stop) =>
  attempt.data === undefined
    ? runTask(registry, attempt, limits, stop)
    : runWithData(registry, attempt, attempt.data, limits, stop);

async function runWithData(
  registry: Registry,
  attempt: Attempt,
  data: AttemptData,
  limits?: Limits,
  stop?: Stop,
): Promise<RanOutcome | StartOutcome> {
  const { step } = data;
  const secrets = findSecrets(attempt, data);
  const redact = secrets === undefined ? undefined : makeRedact(Object.values(secrets));
  let scope = data.scope;
  try {
    const input = await workOutInput(registry, attempt, data);
    scope = { ...scope, input };
    if (step.when !== undefined && data.first && !isTrue(await at('when', step.when, input, scope)))
      return { kind: 'skipped' };
    const parameters = isAnswered(attempt)
      ? attempt.parameters
      : await fillParameters(attempt, step, { ...scope, ...(secrets && { secrets }) });
    const log = redact === undefined ? attempt.log : redact.log(attempt.log);
    const ready = {
      ...attempt,
      input,
      parameters,
      log,
      redact,
      select: data.selects ? makeSelect(step, scope) : undefined,
    };
    const outcome = await runTask(registry, ready, limits, stop);
    if (outcome.kind === 'failed') return { ...outcome, scope };
    if (outcome.kind !== 'finished' || !data.selects || step.choice === undefined) return outcome;
    return { ...outcome, chosen: await choose(step.choice, outcome.result, scope) };
  } catch (thrown) {
    return { kind: 'failed', error: describeError(thrown, redact), retryable: true, scope };
  }
}

/** What it waited for is its result: the program is not run again. */
function isAnswered({ delivered }: Attempt): boolean {
  return delivered !== undefined && delivered !== null && delivered.kind !== 'signal';
}

async function workOutInput(
  registry: Registry,
  attempt: Attempt,
  { step, scope }: AttemptData,
): Promise<Json> {
  const given = attempt.input ?? null;
  if (step.input === undefined) return given;
  const isRead = step.readsInput || registry.get(attempt.program ?? '')?.readsInput === true;
  return isRead ? at('input', step.input, given, { ...scope, input: given }) : null;
}

/** An expression's error says where in the step it stands. */
async function at(place: string, text: string, context: Json, scope: Scope): Promise<Json> {
  try {
    return await evaluate(text, context, scope);
  } catch (thrown) {
    if (thrown instanceof ExpressionError) thrown.message = `${place}: ${thrown.message}`;
    throw thrown;
  }
}

function findSecrets(
  { log }: Attempt,
  { step, findSecret }: AttemptData,
): Record<string, string> | undefined {
  if (step.secrets.size === 0) return undefined;
  const found = [...step.secrets].map((name) => [name, findSecret(name)] as const);
  for (const [name, value] of found)
    if (value === undefined) log.warn(`there is no secret "${name}": its expression gets nothing`);
  return Object.fromEntries(found.filter((pair): pair is [string, string] => pair[1] !== undefined));
}

/** JSON text. Values that do not come from the definition but from whoever started or reran it are taken as they are. */
async function fillParameters(
  attempt: Attempt,
  { params: defined }: TaskData,
  scope: Scope,
): Promise<string> {
  const given = defined === null ? null : parse(attempt.parameters);
  if (defined === null || given === null) return attempt.parameters;
  const filled: [string, Json][] = [];
  for (const [key, value] of Object.entries(given)) {
    const isDefined = isDeepStrictEqual(value, defined[key]);
    filled.push([key, isDefined ? await fill(value, `params.${key}`, scope) : value]);
  }
  const written = writeJson(Object.fromEntries(filled), RESULT_LIMIT);
  if ('text' in written) return written.text;
  throw new ExpressionError(`params: what the expressions make ${written.problem}`, { expression: '' });
}

function fill(value: Json, path: string, scope: Scope): Promise<Json> {
  const give = ({ path: place, text, closed }: { path: string; text: string; closed: boolean }) => {
    if (closed) return at(place, text, scope.input ?? null, scope);
    throw new ExpressionError(`${place}: "\${{" has no "}}"`, { expression: text });
  };
  return fillTemplate(value, give, path);
}

function parse(text: string): JsonObject | null {
  try {
    const value = JSON.parse(text) as Json;
    return typeof value === 'object' && !Array.isArray(value) ? value : null;
  } catch {
    // Whoever checks the parameters says so.
    return null;
  }
}

/** What a program may return for `select` to pick from. */
const SELECT_FROM = 16 * RESULT_LIMIT;

function makeSelect({ select }: TaskData, scope: Scope): Attempt['select'] {
  if (select === undefined) return undefined;
  return (result, program) => {
    const written = writeJson(result, SELECT_FROM, 'replace');
    if ('text' in written) return at('select', select, JSON.parse(written.text) as Json, scope);
    throw refuse('ResultError', `the result of ${program} ${written.problem}`);
  };
}
