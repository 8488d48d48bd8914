// True topological order (Kahn), in levels: a step's level is the longest way to it from a root.
// Called by whoever shows a graph; running needs no order, it counts arrivals.

import type { Graph } from './graph.ts';

/** Positions level by level, each level ascending; what lies on a cycle or behind one is in no level. */
export function levels(graph: Graph): number[][] {
  const missing = graph.depends.map((predecessors) => predecessors.length);
  const result: number[][] = [];
  let level = [...missing.keys()].filter((at) => missing[at] === 0);
  while (level.length > 0) {
    result.push(level);
    level = releaseLevel(level, graph, missing);
  }
  return result;
}

/** Positions so that every predecessor comes first; shorter than the graph exactly when it has a cycle. */
export function topologicalOrder(graph: Graph): number[] {
  return levels(graph).flat();
}

function releaseLevel(level: number[], graph: Graph, missing: number[]): number[] {
  const freed: number[] = [];
  for (const dependant of level.flatMap((at) => graph.releases[at] ?? [])) {
    const left = (missing[dependant] ?? 0) - 1;
    missing[dependant] = left;
    if (left === 0) freed.push(dependant);
  }
  return freed.sort((a, b) => a - b);
}
