// From steps to edges: the one place that reads `dependsSeq`, `after`, `before` and where failures go.
// Called by validation, ordering and expansion, so that all three see the same graph.

import { listGotos } from './catch.ts';
import { ALL, AMBIGUOUS, indexSteps, type StepIndex } from './names.ts';
import type { Step } from './vocabulary.ts';

/** Edges between positions (0..n-1) of the steps; every list is ascending and unique, each side is the inverse of the other. */
export interface Graph {
  depends: number[][];
  releases: number[][];
}

export interface StepGraph extends Graph {
  /** Of the predecessors of each, those that only lead there when a failure is caught. */
  gotos: number[][];
}

/** The edges of a definition, steps in order of seq; a reference that names no single step is left out. */
export function buildGraph(steps: readonly Step[]): StepGraph {
  const index = indexSteps(steps);
  const ordinary = listOrdinary(steps);
  const edges = steps.map((step, at) => findOwnPredecessors(step, at, index, ordinary));
  for (const [at, step] of steps.entries()) {
    for (const dependant of resolve(step.before ?? [], index.byName)) edges[dependant]?.push(at);
  }
  const gotos = findGotos(steps, index, edges);
  const depends = edges.map((own, at) => sortUnique([...own, ...(gotos[at] ?? [])]));
  return { depends, releases: invert(depends), gotos };
}

function listOrdinary(steps: readonly Step[]): number[] {
  return [...steps.keys()].filter((at) => !steps[at]?.after?.includes(ALL));
}

function findOwnPredecessors(step: Step, at: number, index: StepIndex, ordinary: number[]): number[] {
  if (step.after !== null) {
    const named = resolve(step.after, index.byName);
    return step.after.includes(ALL) ? [...ordinary, ...named] : named;
  }
  if (step.dependsSeq !== null) return resolve(step.dependsSeq, index.bySeq);
  return at === 0 ? [] : [at - 1];
}

function findGotos(steps: readonly Step[], index: StepIndex, edges: number[][]): number[][] {
  const gotos: number[][] = steps.map(() => []);
  for (const [at, step] of steps.entries()) {
    for (const target of resolve(listGotos(step), index.byName))
      if (target !== at && !edges[target]?.includes(at)) gotos[target]?.push(at);
  }
  return gotos.map(sortUnique);
}

function resolve(names: readonly string[], index: ReadonlyMap<string, number>): number[] {
  return names.map((name) => index.get(name) ?? AMBIGUOUS).filter((at) => at !== AMBIGUOUS);
}

function sortUnique(numbers: number[]): number[] {
  return [...new Set(numbers)].sort((a, b) => a - b);
}

function invert(depends: number[][]): number[][] {
  const releases: number[][] = depends.map(() => []);
  for (const [at, predecessors] of depends.entries()) {
    for (const predecessor of predecessors) releases[predecessor]?.push(at);
  }
  return releases;
}
