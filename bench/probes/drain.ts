// Measures how a backlog is worked off in this very process. Used by the contenders that need no process of their own.
import type { Figures } from '../shape.ts';
import { probeDatabase } from './database.ts';
import { nodeFigures, probeNode } from './node.ts';

export interface Drain {
  /** Not measured: what a process does once, before its first task. */
  open?: () => Promise<void>;
  /** Resolves when the last task has ended and is recorded. */
  run: () => Promise<void>;
  /** Closes every connection. */
  close: () => Promise<void>;
}

export async function measureDrain(
  url: string,
  tasks: number,
  { open, run, close }: Drain,
): Promise<Figures> {
  const { done, figures } = await probeDatabase(url, async () => {
    try {
      await open?.();
      const stop = probeNode();
      const began = performance.now();
      await run();
      const seconds = (performance.now() - began) / 1_000;
      return { tasks, seconds, node: nodeFigures([stop()]) };
    } finally {
      await close();
    }
  });
  return { tasksPerSecond: tasks / done.seconds, seconds: done.seconds, ...figures, ...done.node };
}

/** Resolves once as many tasks have been counted as there are. */
export function countTo(tasks: number): { count: () => void; reached: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let counted = 0;
  const count = () => {
    counted += 1;
    if (counted === tasks) resolve();
  };
  return { count, reached: promise };
}
