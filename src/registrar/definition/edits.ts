// Changes of single steps, made on the flow as people write it: whoever names the step follows. Called by flows.ts.
import { didYouMean } from '../../dag/near.ts';
import { UmbelError } from '../../errors.ts';
import type { StepDefinition } from './schema.ts';

/** A step with the seq of its row. */
export interface Placed {
  seq: string;
  step: StepDefinition;
}

/** Puts a step at the end. Errors: `STEP_EXISTS`. */
export function addStep(flow: string, steps: Placed[], step: StepDefinition): Placed[] {
  refuseTaken(flow, steps, step.id);
  const last = Number(steps.at(-1)?.seq ?? 0);
  return [...steps, { seq: String(Math.floor(last) + 1), step }];
}

/** Puts a step in the place of another; under a new id it takes the references along. Errors: `STEP_NOT_FOUND`, `STEP_EXISTS`. */
export function replaceStep(flow: string, steps: Placed[], id: string, step: StepDefinition): Placed[] {
  const at = findStep(flow, steps, id);
  if (step.id !== id) refuseTaken(flow, steps, step.id);
  return steps.map((placed, index) => {
    if (index === at) return { ...placed, step };
    return step.id === id
      ? placed
      : { ...placed, step: mapNames(placed.step, (name) => (name === id ? step.id : name)) };
  });
}

/** Takes a step out, with `detach` also out of the steps that name it. Errors: `STEP_NOT_FOUND`, `STEP_REQUIRED`. */
export function removeStep(flow: string, steps: Placed[], id: string, detach: boolean): Placed[] {
  const at = findStep(flow, steps, id);
  const others = steps.filter((_, index) => index !== at);
  const by = others.filter(({ step }) => namesStep(step, id));
  if (by.length > 0 && !detach) {
    throw new UmbelError('STEP_REQUIRED', { step: id, by: by.map(({ step }) => step.id) });
  }
  return others.map((placed) => ({
    ...placed,
    step: mapNames(placed.step, (name) => (name === id ? null : name)),
  }));
}

function namesStep({ after, before, catch: caught }: StepDefinition, id: string): boolean {
  return [...(after ?? []), ...(before ?? []), ...(caught ?? []).map(({ goto }) => goto)].includes(id);
}

function findStep(flow: string, steps: Placed[], id: string): number {
  const at = steps.findIndex(({ step }) => step.id === id);
  if (at !== -1) return at;
  const near = didYouMean(
    id,
    steps.map(({ step }) => step.id),
  );
  throw new UmbelError('STEP_NOT_FOUND', { flow, step: id, near });
}

function refuseTaken(flow: string, steps: Placed[], id: string): void {
  if (steps.some(({ step }) => step.id === id)) throw new UmbelError('STEP_EXISTS', { flow, step: id });
}

/** The step with other names where it names steps; null takes one out. */
function mapNames(step: StepDefinition, rename: (name: string) => string | null): StepDefinition {
  const changed = { ...step };
  const mapList = (names: string[]) => names.map(rename).filter((name) => name !== null);
  if (step.after !== undefined) changed.after = mapList(step.after);
  if (step.before !== undefined) changed.before = mapList(step.before);
  if (step.edges !== undefined) changed.edges = mapKeys(step.edges, rename);
  if (step.conditions !== undefined) changed.conditions = mapKeys(step.conditions, rename);
  if (step.edgeIds !== undefined) changed.edgeIds = mapKeys(step.edgeIds, rename);
  if (step.catch !== undefined) {
    changed.catch = step.catch.flatMap((entry) => {
      if (entry.goto === undefined) return [entry];
      const to = rename(entry.goto);
      return to === null ? [] : [{ ...entry, goto: to }];
    });
  }
  return changed;
}

function mapKeys<T>(map: Record<string, T>, rename: (name: string) => string | null): Record<string, T> {
  const entries = Object.entries(map).map(([name, value]) => [rename(name), value] as const);
  return Object.fromEntries(entries.filter(([name]) => name !== null));
}
