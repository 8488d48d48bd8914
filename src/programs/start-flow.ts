// How a program ends its attempt by starting an execution; what came of that is the task's result. Returned by flow-execute.ts, read by
// watcher/run.ts.
import type { Json } from '../dag/vocabulary.ts';

/** What such a program returns. */
export interface Starting {
  readonly flow: string;
  readonly input: Json;
  /** False: the task ends at once, with the id of what it started. */
  readonly wait: boolean;
}

// Symbol.for: made through another copy of this package, it is still recognised.
const BRAND = Symbol.for('umbel.starting');

export function startFlow(content: Starting): Starting {
  return Object.freeze(Object.defineProperty({ ...content }, BRAND, { value: true }));
}

export function isStarting(value: unknown): value is Starting {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, BRAND);
}
