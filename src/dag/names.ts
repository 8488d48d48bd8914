// How steps are called: by id, or by seq when they have none. Called by whatever resolves a reference.

import type { Step } from './vocabulary.ts';

/** In `after`: every step that does not itself wait for all. */
export const ALL = 'all';
export const RESERVED_IDS: readonly string[] = [ALL, '$input'];

/** The index of a name that several steps share: references to it stay unresolved, whatever the order of the steps. */
export const AMBIGUOUS = -1;

export interface StepIndex {
  byName: ReadonlyMap<string, number>;
  bySeq: ReadonlyMap<string, number>;
}

/** What a step is called: its id, or its seq when it has none. */
export function nameOf(step: Step): string {
  return step.id ?? step.seq;
}

/** Positions of the steps by name and by seq; `AMBIGUOUS` where several share one. */
export function indexSteps(steps: readonly Step[]): StepIndex {
  return { byName: indexBy(steps.map(nameOf)), bySeq: indexBy(steps.map((step) => step.seq)) };
}

function indexBy(keys: string[]): Map<string, number> {
  const index = new Map<string, number>();
  for (const [at, key] of keys.entries()) index.set(key, index.has(key) ? AMBIGUOUS : at);
  return index;
}
