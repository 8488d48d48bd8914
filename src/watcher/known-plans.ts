// Plans as the watcher keeps them: what each task runs, what its expressions look at, and the names of results. Called by prepare.ts.
import { readCatches } from '../dag/catch.ts';
import type { JsonObject } from '../dag/vocabulary.ts';
import { outputNameOf } from '../expressions/step.ts';
import type { Claimed } from '../sql/advance.ts';
import type { Database } from '../sql/database.ts';
import { readPlans, type PlannedTask } from '../sql/plans.ts';
import type { KnownCatch } from './catching.ts';
import { listChoices } from './choosing.ts';
import type { Falling } from './fallback.ts';
import { readTaskData, type TaskData } from './task-data.ts';

export interface Known {
  /** null: no definition row names the program. */
  program: string | null;
  step: string;
  options: JsonObject | null;
  /** null: the step has no expressions. */
  data: TaskData | null;
  /** Whose ends are more than an arrival: 1 a failure, 2 any. */
  wireOn: number;
  catches: readonly KnownCatch[];
  /** Its fallback is to run, or goes on; absent: it is not so far. */
  falling?: Falling;
  /** JSON text that stands in for what the row has. */
  parameters?: string;
}

export interface KnownPlan {
  /** By exec seq. */
  tasks: ReadonlyMap<string, Known & Pick<PlannedTask, 'depends'>>;
  /** Exec seqs by the name under which the result is found. */
  seqs: ReadonlyMap<string, string>;
}

/** By version. */
export type KnownPlans = Map<string, KnownPlan>;
const PLANS_KEPT = 1_000;

/** A version never changes, so what was read once stays right; the oldest are forgotten. */
export async function loadPlans(db: Database, plans: KnownPlans, tasks: Claimed[]): Promise<void> {
  const missing = new Set<string>();
  for (const { version } of tasks) if (version !== null && !plans.has(version)) missing.add(version);
  if (missing.size === 0) return;
  for (const [version, planTasks] of await readPlans(db, [...missing])) plans.set(version, know(planTasks));
  for (const version of plans.keys()) if (plans.size > PLANS_KEPT + missing.size) plans.delete(version);
}

function know(planTasks: PlannedTask[]): KnownPlan {
  const seqs = new Map(planTasks.map(({ step, options, seq }) => [outputNameOf(step, options), seq]));
  const steps = new Map(planTasks.map(({ step, seq }) => [step, seq]));
  const choices = listChoices(planTasks);
  const tasks = planTasks.map(({ seq, step, program, options, params, depends, wireOn }) => {
    const data = readTaskData({ options, params }, seqs, choices.get(seq));
    const catches = knowCatches(options, steps);
    return [seq, { step, program, options, data, depends, wireOn, catches }] as const;
  });
  return { seqs, tasks: new Map(tasks) };
}

/** One that leads to a step that is not there takes nothing: who inserts tasks by hand has no steps. */
export function knowCatches(options: JsonObject | null, steps: ReadonlyMap<string, string>): KnownCatch[] {
  return readCatches(options).flatMap(({ errors, goto, result }) => {
    const target = goto === null ? null : steps.get(goto);
    return target === undefined ? [] : [{ errors, result, target }];
  });
}

/** Exec seqs of all that come before a task. */
export function findAncestors({ tasks }: KnownPlan, seq: string): ReadonlySet<string> {
  const found = new Set<string>();
  const visit = (at: string): void => {
    for (const before of tasks.get(at)?.depends ?? []) {
      if (found.has(before)) continue;
      found.add(before);
      visit(before);
    }
  };
  visit(seq);
  return found;
}
