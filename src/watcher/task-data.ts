// What the expressions of a step look at: worked out once for each step of a plan, so that a task without any costs nothing and one with
// some gets just the results that it reads. Called by prepare.ts.
import type { Json, JsonObject } from '../dag/vocabulary.ts';
import { parseExpression } from '../expressions/parse.ts';
import type { Reads } from '../expressions/reads.ts';
import type { Scope } from '../expressions/scope.ts';
import { expandInput, listStepExpressions, type Names, type StepExpression } from '../expressions/step.ts';
import { hasTemplate } from '../expressions/template.ts';
import type { Choice } from './choosing.ts';

export interface TaskData {
  when: string | undefined;
  input: string | undefined;
  select: string | undefined;
  /** undefined: no edge that leaves it has a condition. */
  choice?: Choice | undefined;
  /** As the definition has them; null: no expression in them. */
  params: JsonObject | null;
  /** Whether another expression than `input` looks at the task's input. */
  readsInput: boolean;
  /** Whether `input` itself looks at the input that there would be without it. */
  refinesInput: boolean;
  /** Whether one looks at the input of the execution. */
  readsExecutionInput: boolean;
  /** Names of the steps whose outputs are looked at; `all`: those of all ancestors. */
  steps: ReadonlySet<string> | 'all';
  secrets: ReadonlySet<string>;
}

/** What the expressions of an attempt are worked out with. */
export interface AttemptData {
  step: TaskData;
  scope: Scope;
  /** False when the task has begun before and goes on. */
  first: boolean;
  /** Whether the result is what the program returns. */
  selects: boolean;
  findSecret: (name: string) => string | undefined;
}

interface Described {
  options: JsonObject | null;
  params: JsonObject | null;
}

/** null: there is no expression in the step, nor on the edges that leave it. */
export function readTaskData({ options, params }: Described, names: Names, choice?: Choice): TaskData | null {
  const templates = params !== null && hasTemplate(params) ? params : null;
  if (options === null && templates === null && choice === undefined) return null;
  const found = [...listStepExpressions({ options, params: templates }, names), ...listConditions(choice)];
  if (found.length === 0) return null;
  const input = toText(options?.['input']);
  return {
    when: toText(options?.['when']),
    select: toText(options?.['select']),
    input: input === undefined ? undefined : expandInput(input, names),
    params: templates,
    choice,
    ...summarize(found.map((expression) => ({ ...expression, reads: readsOf(expression) }))),
  };
}

/** Here `$input` is the result of the step, not what it got. */
function listConditions(choice: Choice | undefined): StepExpression[] {
  const given = { path: CONDITIONS, context: 'result', secrets: false, closed: true } as const;
  return (choice?.conditions ?? []).map(({ text }) => ({ ...given, text }));
}

function toText(value: Json | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

const CONDITIONS = 'conditions';
const NOTHING: Reads = { variables: new Map(), context: false };

/** One that cannot be read reads nothing: it fails when it is worked out. */
function readsOf({ text }: StepExpression): Reads {
  const parsed = parseExpression(text);
  return parsed instanceof Error ? NOTHING : parsed.reads;
}

type Found = StepExpression & { reads: Reads };

function summarize(found: Found[]) {
  const looksAtInput = ({ path, reads, context }: Found) =>
    path !== CONDITIONS && (reads.variables.has('input') || (reads.context && context === 'input'));
  const steps = merge(found, 'steps');
  const secrets = merge(found, 'secrets');
  const ofExecution = merge(found, 'execution');
  return {
    readsInput: found.some((one) => one.path !== 'input' && looksAtInput(one)),
    refinesInput: found.some((one) => one.path === 'input' && looksAtInput(one)),
    readsExecutionInput: ofExecution === 'all' || ofExecution.has('input'),
    steps,
    secrets: secrets === 'all' ? new Set<string>() : secrets,
  };
}

/** The keys of a variable that any of them reads. */
function merge(found: Found[], variable: string): ReadonlySet<string> | 'all' {
  const merged = new Set<string>();
  for (const { reads } of found) {
    const keys = reads.variables.get(variable) ?? [];
    if (keys === 'all') return 'all';
    for (const key of keys) merged.add(key);
  }
  return merged;
}
