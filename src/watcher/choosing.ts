// Which of its dependants a finished task lets go on: those whose edges have no condition, or one that holds. Worked out once for each
// step of a plan by known-plans.ts, asked by run-attempt.ts.
import type { Json } from '../dag/vocabulary.ts';
import { evaluate, isTrue } from '../expressions/evaluate.ts';
import { ExpressionError } from '../expressions/expression-error.ts';
import type { Scope } from '../expressions/scope.ts';
import { outputNameOf } from '../expressions/step.ts';
import type { PlannedTask } from '../sql/plans.ts';

/** Of a task with conditions on edges that leave it. */
export interface Choice {
  step: string;
  /** The name under which its result is found. */
  output: string;
  /** Exec seqs of the dependants that go on in any case. */
  always: string[];
  conditions: Condition[];
}

export interface Condition {
  /** The dependant. */
  seq: string;
  step: string;
  text: string;
}

type Planned = Pick<PlannedTask, 'seq' | 'step' | 'options' | 'depends' | 'edges'>;

/** By exec seq of the task that chooses. */
export function listChoices(tasks: readonly Planned[]): ReadonlyMap<string, Choice> {
  const choices = new Map<string, Choice>();
  if (!tasks.some(hasConditions)) return choices;
  for (const { seq, step, options } of tasks)
    choices.set(seq, { step, output: outputNameOf(step, options), always: [], conditions: [] });
  for (const task of tasks)
    for (const [at, from] of task.depends.entries()) place(task, at, choices.get(from));
  for (const [seq, { conditions }] of choices) if (conditions.length === 0) choices.delete(seq);
  return choices;
}

/** An edge that asks for a failure is left to that. */
function place({ seq, step, options, edges }: Planned, at: number, source: Choice | undefined): void {
  const kind = edges?.[at] ?? 'succeeded';
  if (source === undefined || kind === 'failed' || kind === 'goto') return;
  const text = asObject(options?.['conditions'])[source.step];
  if (typeof text === 'string' && kind === 'succeeded') source.conditions.push({ seq, step, text });
  else source.always.push(seq);
}

/** Exec seqs of the dependants that go on after this result. Throws an ExpressionError that names the edge. */
export async function choose(choice: Choice, result: Json, scope: Scope): Promise<string[]> {
  // What comes along the edge is the result, so it is also the input.
  const seen = { ...scope, input: result, steps: { ...scope.steps, [choice.output]: result } };
  const chosen = [...choice.always];
  for (const condition of choice.conditions)
    if (isTrue(await judge(condition, choice.step, result, seen))) chosen.push(condition.seq);
  return chosen;
}

async function judge({ step, text }: Condition, source: string, result: Json, scope: Scope): Promise<Json> {
  try {
    return await evaluate(text, result, scope);
  } catch (thrown) {
    if (thrown instanceof ExpressionError)
      thrown.message = `condition of the edge ${source} → ${step}: ${thrown.message}`;
    throw thrown;
  }
}

function hasConditions({ options }: Planned): boolean {
  return Object.keys(asObject(options?.['conditions'])).length > 0;
}

function asObject(value: Json | undefined): { [key: string]: Json | undefined } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
}
