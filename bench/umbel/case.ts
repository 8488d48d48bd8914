// Makes a drain case of Umbel: a graph, and how many executions of it a run of so many tasks has.
import type { Graph } from '../graphs.ts';
import type { Case } from '../shape.ts';
import { umbel } from '../contenders/umbel.ts';
import { drainUmbel, type Load } from './drain.ts';

export interface DrainOptions extends Omit<Load, 'graph' | 'executions'> {
  /** Part of the run's tasks; default 1. */
  share?: number;
}

export function umbelCase(
  graph: Graph | ((tasks: number) => Graph),
  { share = 1, ...load }: DrainOptions = {},
): Case {
  return {
    contender: umbel,
    run: ({ url, tasks }) => {
      const drawn = typeof graph === 'function' ? graph(tasks) : graph;
      const executions = Math.max(1, Math.round((tasks * share) / drawn.length));
      return drainUmbel(url, { ...load, graph: drawn, executions });
    },
  };
}

/** The same with one watcher process and with four. */
export function oneAndFour(
  graph: Parameters<typeof umbelCase>[0],
  options: DrainOptions = {},
): Record<string, Case> {
  return {
    'umbel, 1 watcher': umbelCase(graph, options),
    'umbel, 4 watchers': umbelCase(graph, { ...options, watchers: 4 }),
  };
}
