// Finds cycles: one for each strongly connected component (Kosaraju, with stacks of its own, so depth is no limit).
// Called by validation. A step that names itself is no component; validation reports that at the reference.

import type { Graph } from './graph.ts';

/** One shortest cycle through the first step of each component, each as positions in the order they would run. */
export function findCycles(graph: Graph): number[][] {
  const component = findComponents(graph);
  const sizes = countValues(component);
  const reported = new Set<number>();
  const cycles: number[][] = [];
  for (const [at, number] of component.entries()) {
    if ((sizes.get(number) ?? 0) < 2 || reported.has(number)) continue;
    reported.add(number);
    cycles.push(findCycleFrom(at, graph, component));
  }
  return cycles;
}

function findComponents(graph: Graph): number[] {
  const component: number[] = graph.depends.map(() => -1);
  for (const root of listByFinish(graph.releases).toReversed()) {
    if (component[root] !== -1) continue;
    component[root] = root;
    const stack = [root];
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      for (const predecessor of graph.depends[at] ?? []) {
        if (component[predecessor] !== -1) continue;
        component[predecessor] = root;
        stack.push(predecessor);
      }
    }
  }
  return component;
}

/** Depth-first search: positions in the order in which all below them is done. */
function listByFinish(releases: number[][]): number[] {
  const seen = new Set<number>();
  const finished: number[] = [];
  for (const root of releases.keys()) {
    if (seen.has(root)) continue;
    seen.add(root);
    const stack = [{ at: root, rest: releases[root]?.values() }];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const child = top.rest?.next().value;
      if (child === undefined) finished.push(stack.pop()?.at ?? root);
      else if (!seen.has(child)) {
        seen.add(child);
        stack.push({ at: child, rest: releases[child]?.values() });
      }
    }
  }
  return finished;
}

/** Breadth-first until an edge leads back to `start`; no way out of its component does, so it never leaves that. */
function findCycleFrom(start: number, graph: Graph, component: number[]): number[] {
  const cameFrom = new Map<number, number>();
  const queue = [start];
  for (const at of queue) {
    for (const child of graph.releases[at] ?? []) {
      if (child === start && at !== start) return walkBack(at, start, cameFrom);
      if (child === start || component[child] !== component[start] || cameFrom.has(child)) continue;
      cameFrom.set(child, at);
      queue.push(child);
    }
  }
  return [start];
}

function walkBack(end: number, start: number, cameFrom: Map<number, number>): number[] {
  const path: number[] = [];
  for (let at: number | undefined = end; at !== undefined && at !== start; at = cameFrom.get(at))
    path.push(at);
  return [start, ...path.toReversed()];
}

function countValues(values: number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}
