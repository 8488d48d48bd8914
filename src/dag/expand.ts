// Expansion: a valid definition becomes the tasks that each of its executions gets.
// Called at registration, once for each version of a flow.

import { buildGraph, type Graph } from './graph.ts';
import { nameOf } from './names.ts';
import { DEFAULT_POOL, type PlanTask, type Step } from './vocabulary.ts';

/** The plan of a definition in which `findProblems` finds none; steps and tasks in order of seq. */
export function expand(steps: readonly Step[]): PlanTask[] {
  const graph = buildGraph(steps);
  return steps.map((step, at) => planTask(step, at, graph));
}

function planTask(step: Step, at: number, graph: Graph): PlanTask {
  const depends = toExecSeqs(graph.depends[at]);
  return {
    execSeq: at + 1,
    seq: step.seq,
    step: nameOf(step),
    program: step.program,
    priority: step.priority,
    pool: step.pool ?? DEFAULT_POOL,
    params: step.params,
    options: step.options,
    depends,
    releases: toExecSeqs(graph.releases[at]),
    waitingOn: depends.length,
    live: Math.max(1, depends.length),
  };
}

function toExecSeqs(positions: number[] = []): number[] {
  return positions.map((at) => at + 1);
}
