// Of a plan, what an execution runs that was asked for a part of it: a step and all that comes after it, or, backwards, all that comes
// before it. What is left out counts as satisfied. Pure; called by registrar/definition/plan.ts.
import type { PlanTask } from './vocabulary.ts';

export interface Selection {
  /** The step that begins; absent: all of them do as they would. */
  step?: string | undefined;
  /** Against the edges: the last steps come first. */
  reverse?: boolean | undefined;
}

/** The tasks with the place that they have in such an execution; a step that there is not selects nothing. */
export function selectTasks(tasks: PlanTask[], { step, reverse = false }: Selection): PlanTask[] {
  const turned = reverse ? tasks.map(turn) : tasks;
  if (step === undefined) return turned;
  const selected = listFrom(turned, step);
  return turned.map((task) => place(task, selected));
}

/** Joins and edges speak of predecessors, so backwards every step waits for all. */
function turn(task: PlanTask): PlanTask {
  const { depends: releases, releases: depends, options } = task;
  const { join: _, edges: __, catch: ___, ...rest } = options ?? {};
  return {
    ...task,
    options: options === null ? null : rest,
    depends,
    edges: null,
    need: null,
    wireOn: 0,
    releases,
    waitingOn: depends.length,
    live: Math.max(1, depends.length),
  };
}

function listFrom(tasks: PlanTask[], step: string): ReadonlySet<number> {
  const bySeq = new Map(tasks.map((task) => [task.execSeq, task]));
  const found = new Set(tasks.filter((task) => task.step === step).map(({ execSeq }) => execSeq));
  for (const seq of found) for (const next of bySeq.get(seq)?.releases ?? []) found.add(next);
  return found;
}

/** A predecessor that is left out has arrived. */
function place(task: PlanTask, selected: ReadonlySet<number>): PlanTask {
  const arrived = task.depends.filter((seq) => !selected.has(seq)).length;
  const placed = { ...task, waitingOn: Math.max(0, task.waitingOn - arrived) };
  return selected.has(task.execSeq) ? placed : { ...placed, selected: false };
}
