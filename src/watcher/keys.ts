// The keys of limited tasks: worked out from what the step says, what the execution was started with and what the predecessors gave.
// Called by limiter.ts.
import { parseDuration } from '../dag/duration.ts';
import type { TaskError } from '../dag/outcome.ts';
import type { Json, JsonObject } from '../dag/vocabulary.ts';
import { evaluate } from '../expressions/evaluate.ts';
import { ExpressionError } from '../expressions/expression-error.ts';
import { parseExpression } from '../expressions/parse.ts';
import type { Scope } from '../expressions/scope.ts';
import type { Database } from '../sql/database.ts';
import { readPlans, readPrograms } from '../sql/plans.ts';
import { type Limit, type LimitedTask, readKeyScopes } from '../sql/slots.ts';
import { describeError } from './task-error.ts';

/** A task with its keys; with an error it is taken to fail of it. */
export interface Candidate {
  flow: string;
  seq: string;
  limits: Limit[];
  error?: TaskError;
}

/** One limit as a step has it. */
interface Rule {
  kind: 'key' | 'rate' | 'execution';
  /** An expression; undefined: the step itself, or the execution. */
  key?: string | undefined;
  limit: number;
  per: number | null;
}

interface Step {
  name: string;
  rules: Rule[];
}

const LONGEST_KEY = 1_000;
const STEPS_KEPT = 10_000;
const NOTHING: Step = { name: '', rules: [] };

export type WorkOutKeys = (tasks: LimitedTask[]) => Promise<Candidate[]>;

export function makeWorkOutKeys(db: Database): WorkOutKeys {
  const steps = new Map<string, Step>();
  return async (tasks) => {
    const found = await findSteps(db, steps, tasks);
    const scopes = await findScopes(db, tasks, found);
    return Promise.all(tasks.map((task, at) => workOut(task, found[at]!, scopes[at]!)));
  };
}

/** A version never changes, so what was read once stays right. */
async function findSteps(db: Database, kept: Map<string, Step>, tasks: LimitedTask[]): Promise<Step[]> {
  const keyOf = ({ version, seq }: { version: string | null; seq: string }) => `${version}/${seq}`;
  const missing = new Set(
    tasks.flatMap((task) => (task.version !== null && !kept.has(keyOf(task)) ? [task.version] : [])),
  );
  if (kept.size > STEPS_KEPT) kept.clear();
  if (missing.size > 0)
    for (const [version, planned] of await readPlans(db, [...missing]))
      for (const { seq, step, options } of planned)
        kept.set(keyOf({ version, seq }), { name: step, rules: readRules(options) });
  const byHand = tasks.filter(({ version }) => version === null);
  const read = byHand.length > 0 ? await readPrograms(db, byHand) : [];
  const handMade = new Map(byHand.map((task, at) => [task, toStep(read[at] ?? null)]));
  return tasks.map((task) => handMade.get(task) ?? kept.get(keyOf(task)) ?? NOTHING);
}

function toStep(read: { step: string; options: JsonObject | null } | null): Step {
  return read === null ? NOTHING : { name: read.step, rules: readRules(read.options) };
}

function readRules(options: JsonObject | null): Rule[] {
  const { concurrency, rate, executionConcurrency } = (options ?? {}) as {
    concurrency?: { key: string; limit: number }[];
    rate?: { limit: number; per: string | number; key?: string };
    executionConcurrency?: number;
  };
  const keyed = (concurrency ?? []).map(({ key, limit }): Rule => ({ kind: 'key', key, limit, per: null }));
  if (executionConcurrency !== undefined)
    keyed.push({ kind: 'execution', limit: executionConcurrency, per: null });
  if (rate !== undefined)
    keyed.push({
      kind: 'rate',
      key: rate.key,
      limit: rate.limit,
      per: Math.max(1, parseDuration(rate.per) ?? 1),
    });
  return keyed;
}

type ReadScope = Pick<Scope, 'input' | 'execution'>;

/** Read only where a key looks at more than the names of flow and execution. */
async function findScopes(db: Database, tasks: LimitedTask[], steps: Step[]): Promise<ReadScope[]> {
  const scopes: ReadScope[] = tasks.map(({ flow, taskId }) => ({ execution: { id: flow, flow: taskId } }));
  const readers = [...tasks.keys()].filter((at) => steps[at]!.rules.some(looksAtData));
  if (readers.length === 0) return scopes;
  const read = await readKeyScopes(
    db,
    readers.map((at) => tasks[at]!),
  );
  for (const [i, at] of readers.entries()) {
    const { input, executionInput } = read[i]!;
    const { flow, taskId } = tasks[at]!;
    const execution = { id: flow, flow: taskId, input: parse(executionInput) };
    scopes[at] = { input: parse(input), execution };
  }
  return scopes;
}

function looksAtData({ key }: Rule): boolean {
  if (key === undefined) return false;
  const parsed = parseExpression(key);
  return !(parsed instanceof Error) && (parsed.reads.context || parsed.reads.variables.size > 0);
}

function parse(text: string | null): Json {
  return text === null ? null : (JSON.parse(text) as Json);
}

async function workOut(task: LimitedTask, step: Step, scope: ReadScope): Promise<Candidate> {
  const { flow, seq } = task;
  try {
    const limits = await Promise.all(step.rules.map((rule) => workOutOne(task, step, rule, scope)));
    return { flow, seq, limits: keepStrictest(limits) };
  } catch (thrown) {
    return { flow, seq, limits: [], error: describeError(thrown) };
  }
}

async function workOutOne(task: LimitedTask, step: Step, rule: Rule, scope: ReadScope): Promise<Limit> {
  const { kind, key, limit, per } = rule;
  const name = key === undefined ? nameOf(task, step, kind) : await workOutText(kind, key, scope);
  // The unit separator stands between the parts, and nowhere in them.
  const parts = [task.tenant, `${kind}:${name}`].map((part) => part.replaceAll('\u001f', ' '));
  return { slot: [...parts, per ?? ''].join('\u001f'), limit, per };
}

function nameOf({ flow, taskId }: LimitedTask, { name }: Step, kind: Rule['kind']): string {
  return kind === 'execution' ? flow : `${taskId}/${name}`;
}

async function workOutText(kind: Rule['kind'], key: string, scope: ReadScope): Promise<string> {
  const place = kind === 'rate' ? 'rate.key' : 'concurrency.key';
  const value = await evaluate(key, scope.input ?? null, scope);
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean')
    throw new ExpressionError(`${place}: must give text, and gives ${describe(value)}`, { expression: key });
  const text = String(value);
  if (text !== '' && text.length <= LONGEST_KEY && !text.includes('\0')) return text;
  throw new ExpressionError(`${place}: must give text of 1 to ${LONGEST_KEY} characters`, {
    expression: key,
  });
}

function describe(value: Json): string {
  if (value === null) return 'nothing';
  return Array.isArray(value) ? 'a list' : 'an object';
}

/** A key that two rules name counts once. */
function keepStrictest(limits: Limit[]): Limit[] {
  const bySlot = new Map<string, Limit>();
  for (const one of limits) {
    const other = bySlot.get(one.slot);
    if (other === undefined || one.limit < other.limit) bySlot.set(one.slot, one);
  }
  return [...bySlot.values()];
}
