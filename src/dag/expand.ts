// Expansion: a valid definition becomes the tasks that each of its executions gets.
// Called at registration, once for each version of a flow.

import { buildGraph, type StepGraph } from './graph.ts';
import { countJoin, listWireOn, readJoin } from './join.ts';
import { nameOf } from './names.ts';
import { DEFAULT_POOL, type PlanTask, type Step } from './vocabulary.ts';

/** The plan of a definition in which `findProblems` finds none; steps and tasks in order of seq. `failFast`: a failure stops the others. */
export function expand(steps: readonly Step[], { failFast = false } = {}): PlanTask[] {
  const graph = buildGraph(steps);
  const tasks = steps.map((_, at) => planTask(steps, at, graph));
  const wireOn = listWireOn(tasks);
  return tasks.map((task, at) => ({ ...task, wireOn: (failFast && wireOn[at] === 0 ? 1 : wireOn[at]) ?? 0 }));
}

function planTask(steps: readonly Step[], at: number, graph: StepGraph): Omit<PlanTask, 'wireOn'> {
  const step = steps[at]!;
  const depends = toExecSeqs(graph.depends[at]);
  const join = readJoin(steps, at, graph);
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
    ...join,
    releases: toExecSeqs(graph.releases[at]),
    ...countJoin(
      join.need,
      depends.map(() => 'open'),
    ),
  };
}

function toExecSeqs(positions: number[] = []): number[] {
  return positions.map((at) => at + 1);
}
