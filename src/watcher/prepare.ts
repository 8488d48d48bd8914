// Adds to claimed tasks what their rows do not say: program, step, input, and what their expressions look at. One statement a kind, for the whole batch.
import type { Json, JsonObject } from '../dag/vocabulary.ts';
import type { Scope } from '../expressions/scope.ts';
import { isBareName } from '../expressions/step.ts';
import type { Claimed } from '../sql/advance.ts';
import type { Ended } from '../sql/ended.ts';
import type { Database } from '../sql/database.ts';
import { readPrograms } from '../sql/plans.ts';
import type { Callback } from '../programs/program.ts';
import type { Registry } from '../programs/registry.ts';
import { issueCallbacks } from './callbacks.ts';
import { resolveChildren } from './children.ts';
import { gather } from './gather.ts';
import { asFallback } from './fallback.ts';
import { type Known, type KnownPlans, knowCatches, loadPlans } from './known-plans.ts';
import { readTaskData } from './task-data.ts';
import { readTimes, type Times } from './times.ts';

export interface Prepared extends Known {
  input: Json;
  /** Only of steps that await one. */
  callback: Callback | null;
  /** Only of steps that limit more than an attempt. */
  times: Times | undefined;
  /** What expressions see; undefined: the step has none. */
  scope: Scope | undefined;
}

export interface Prepare {
  /** `settled` are the attempts recorded in the call that claimed: their results need no reading. */
  (tasks: Claimed[], settled: Ended[]): Promise<Prepared[]>;
}

/** `callbackUrl` is where others answer for a task, without the token. */
export function makePrepare(db: Database, registry: Registry, callbackUrl: string): Prepare {
  const plans: KnownPlans = new Map();
  return async (tasks, settled) => {
    const programs = await findPrograms(db, plans, tasks);
    await resolveChildren(db, tasks);
    const gathered = await gather({ db, registry, plans }, tasks, programs, settled);
    const callbacks = await issueCallbacks(db, callbackUrl, tasks, programs);
    const times = await readTimes(db, tasks, programs);
    return programs.map((known, i) => {
      const found = gathered.get(tasks[i]!);
      const callback = callbacks.get(tasks[i]!) ?? null;
      const scope = found?.scope && callback !== null ? { ...found.scope, callback } : found?.scope;
      return { ...known, input: found?.input ?? null, callback, times: times.get(tasks[i]!), scope };
    });
  };
}

async function findPrograms(db: Database, plans: KnownPlans, tasks: Claimed[]): Promise<Known[]> {
  await loadPlans(db, plans, tasks);
  const byHand = tasks.filter((task) => task.version === null);
  const found = byHand.length > 0 ? await readPrograms(db, byHand) : [];
  const handMade = new Map(byHand.map((task, i) => [task, knowHandMade(task, found[i])]));
  return tasks.map((task) =>
    asFallback(handMade.get(task) ?? plans.get(task.version!)?.tasks.get(task.seq) ?? unknownOf(task), task),
  );
}

function unknownOf(task: Claimed): Known {
  return { step: task.taskSeq, program: null, options: null, data: null, wireOn: 0, catches: [] };
}

/** Who inserts rows by hand writes the expressions into them. */
function knowHandMade(
  task: Claimed,
  found: Pick<Known, 'program' | 'step' | 'options'> | null | undefined,
): Known {
  if (!found) return unknownOf(task);
  const params = task.parameters.includes('${{') ? parseObject(task.parameters) : null;
  const data = readTaskData({ options: found.options, params }, { has: isBareName });
  return { ...found, data, wireOn: 0, catches: knowCatches(found.options, new Map()) };
}

function parseObject(text: string): JsonObject | null {
  try {
    const value = JSON.parse(text) as Json;
    return typeof value === 'object' && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}
