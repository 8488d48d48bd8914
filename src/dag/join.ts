// Join rules, compiled to two numbers: how many arrivals a task still waits for, and how many more may fail to come. `umbel_wire` counts the same.
// Called by expansion for every task, and by the tests' model.
import type { EdgeKind, EdgeState } from './edges.ts';
import { nameOf } from './names.ts';
import type { StepGraph } from './graph.ts';
import type { Json, PlanTask, Step } from './vocabulary.ts';

/** What a step says of the edges that lead to it. */
export interface Join {
  /** Arrivals that are enough; null: all. */
  need: number | null;
  /** In the order of its predecessors; null: all `succeeded`. */
  edges: EdgeKind[] | null;
}

/** Runnable when it waits for nothing and lives; to be skipped when `live` is 0. */
export interface Counters {
  waitingOn: number;
  live: number;
}

/** The counters of a task whose edges stand so. A task without edges lives. */
export function countJoin(need: number | null, states: readonly EdgeState[]): Counters {
  const count = (state: EdgeState) => states.filter((each) => each === state).length;
  if (need !== null) {
    const arrivable = count('open') + count('met');
    return { waitingOn: Math.max(0, need - count('met')), live: Math.max(0, arrivable - need + 1) };
  }
  if (states.length === 0) return { waitingOn: 0, live: 1 };
  return { waitingOn: count('open'), live: count('unmet') > 0 ? 0 : count('open') + count('met') };
}

/** The join of the step at a position of its graph. */
export function readJoin(steps: readonly Step[], at: number, graph: StepGraph): Join {
  const { join, edges } = steps[at]?.options ?? {};
  const own = asObject(edges);
  const otherwise = join === 'allDone' ? 'always' : 'succeeded';
  const gotos = new Set(graph.gotos[at]);
  const kinds = (graph.depends[at] ?? []).map((from): EdgeKind => {
    if (gotos.has(from)) return 'goto';
    const predecessor = steps[from];
    const kind = predecessor === undefined ? undefined : own[nameOf(predecessor)];
    return isKind(kind) ? kind : otherwise;
  });
  return { need: readNeed(join), edges: kinds.every((kind) => kind === 'succeeded') ? null : kinds };
}

/** Arrivals that a step's `join` asks for; null: all. */
export function readNeed(join: Json | undefined): number | null {
  if (join === 'any') return 1;
  const { n } = asObject(join);
  return typeof n === 'number' ? n : null;
}

/** Of each task, whose ends wire the whole execution instead of being counted: 1 a failure, 2 any. See `wire_on` of kr_task_stat. */
export function listWireOn(tasks: readonly Pick<PlanTask, 'depends' | 'edges'>[]): (0 | 1 | 2)[] {
  const found: (0 | 1 | 2)[] = tasks.map(() => 0);
  for (const { depends, edges } of tasks) {
    for (const [at, kind] of (edges ?? []).entries()) {
      const from = (depends[at] ?? 0) - 1;
      if (kind === 'failed' || kind === 'goto') found[from] = 2;
      else if (kind === 'always' && found[from] === 0) found[from] = 1;
    }
  }
  return found;
}

function isKind(kind: Json | undefined): kind is EdgeKind {
  return kind === 'succeeded' || kind === 'failed' || kind === 'always';
}

function asObject(value: Json | undefined): { [key: string]: Json | undefined } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
}
