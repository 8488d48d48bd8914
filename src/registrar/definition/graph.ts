// A flow as a picture wants it: nodes, edges, true topological levels, and what is wrong. Called by flows.ts.
import { buildGraph } from '../../dag/graph.ts';
import { nameOf } from '../../dag/names.ts';
import { levels } from '../../dag/order.ts';
import type { Problem } from '../../dag/vocabulary.ts';
import type { Definition } from '../../sql/definitions.ts';
import { checkStored } from './check.ts';

export interface FlowGraph {
  nodes: { id: string; program: string; name: string | null; level: number | null }[];
  edges: { source: string; target: string }[];
  /** Ids level by level; what lies on a cycle or behind one is in none. */
  levels: string[][];
  problems: Problem[];
}

export function drawGraph({ steps, settings }: Definition): FlowGraph {
  const names = steps.map(nameOf);
  const graph = buildGraph(steps);
  const ranks = levels(graph);
  const levelOf = new Map(ranks.flatMap((positions, level) => positions.map((at) => [at, level] as const)));
  const toName = (at: number) => names[at] ?? '';
  return {
    nodes: steps.map(({ program, options }, at) => {
      const name = options?.['name'];
      return {
        id: toName(at),
        program,
        name: typeof name === 'string' ? name : null,
        level: levelOf.get(at) ?? null,
      };
    }),
    edges: graph.depends.flatMap((predecessors, at) =>
      predecessors.map((from) => ({ source: toName(from), target: toName(at) })),
    ),
    levels: ranks.map((positions) => positions.map(toName)),
    problems: checkStored(steps, settings),
  };
}
