// What the changes of definitions do, worked out on the definition as it stands: each gives the rows to write. Called by flows.ts.
import type { JsonObject, Problem } from '../../dag/vocabulary.ts';
import { UmbelError } from '../../errors.ts';
import type { Definition } from '../../sql/definitions.ts';
import type { NewEvent } from '../../sql/emit.ts';
import type { FlowWrite } from '../../sql/flows.ts';
import { maySee, type Viewer } from '../viewer.ts';
import { type Changes, findChanges, placeSteps, planWrite } from './changes.ts';
import { checkFlow } from './check.ts';
import { addStep, type Placed, removeStep, replaceStep } from './edits.ts';
import { normalizeStep, toFlow } from './rows.ts';
import type { FlowDefinition, FlowHead, StepDefinition } from './schema.ts';

export interface Which extends Viewer {
  flow: string;
}
export interface WhichStep extends Which {
  step: string;
}

/** A step that was written; `warnings` name steps that do not exist yet. */
export interface WrittenStep {
  step: StepDefinition;
  warnings: Problem[];
}

/** `write` is null when there is nothing to write. */
export interface Edit<Result> {
  write: FlowWrite | null;
  result: Result;
  /** Written in the same transaction. */
  events?: NewEvent[];
}

/** Creates or replaces the flow, whatever `value` is. */
export function defineFlow(stored: Definition | null, which: Which, value: unknown): Edit<Changes> {
  refuseForeign(stored, which);
  const { problems, missing } = checkFlow(value);
  const id = isObject(value) ? value['id'] : undefined;
  if (typeof id === 'string' && id !== which.flow) {
    problems.push({ path: 'id', message: `must be ${JSON.stringify(which.flow)}, as the flow is called` });
  }
  refuse(which.flow, [...problems, ...missing]);
  const flow = value as FlowDefinition;
  const changes = findChanges(stored, flow);
  if (changes.kind === 'unchanged') return { write: null, result: changes };
  return {
    write: planWrite(stored, flow, placeSteps(stored, flow)),
    result: changes,
    events: tellChange(changes.kind, stored, which),
  };
}

export function deleteFlow(stored: Definition | null, which: Which): Edit<undefined> {
  const own = requireOwn(stored, which, 'Flow not found');
  requireInactive(own);
  const gone = own.steps.map(({ seq }) => seq);
  return {
    write: { ...planWrite(null, { id: own.flow }, []), gone },
    result: undefined,
    events: tellChange('deleted', own, which),
  };
}

export function createStep(stored: Definition | null, which: Which, value: unknown): Edit<WrittenStep> {
  refuseForeign(stored, which);
  return writeStep(stored, which, value, (steps, step) => addStep(which.flow, steps, step));
}

export function changeStep(stored: Definition | null, which: WhichStep, value: unknown): Edit<WrittenStep> {
  const given = isObject(value) ? { id: which.step, ...value } : value;
  return writeStep(requireOwn(stored, which), which, given, (steps, step) =>
    replaceStep(which.flow, steps, which.step, step),
  );
}

export function dropStep(stored: Definition | null, which: WhichStep & { detach: boolean }): Edit<undefined> {
  const own = requireOwn(stored, which);
  const { head, steps } = openFlow(own, which.flow);
  const left = removeStep(which.flow, steps, which.step, which.detach);
  // Without steps there is no flow.
  if (left.length === 0) requireInactive(own);
  const kind = left.length === 0 ? 'deleted' : 'changed';
  return { write: planWrite(own, head, left), result: undefined, events: tellChange(kind, own, which) };
}

function writeStep(
  stored: Definition | null,
  which: Which,
  value: unknown,
  place: (steps: Placed[], step: StepDefinition) => Placed[],
): Edit<WrittenStep> {
  const id = which.flow;
  const { head, steps } = openFlow(stored, id);
  if (!isObject(value)) refuse(id, [{ path: '', message: 'a step must be an object' }]);
  const step = value as StepDefinition;
  const next = place(steps, step);
  const { problems, missing } = checkFlow({ ...head, steps: next.map((placed) => placed.step) });
  refuse(id, problems);
  return {
    write: planWrite(stored, head, next),
    result: { step: normalizeStep(step), warnings: missing },
    events: tellChange(stored === null ? 'created' : 'changed', stored, which),
  };
}

function openFlow(stored: Definition | null, id: string): { head: FlowHead; steps: Placed[] } {
  if (stored === null) return { head: { id }, steps: [] };
  const { steps, ...head } = toFlow(stored);
  return { head, steps: steps.map((step, at) => ({ step, seq: stored.steps[at]?.seq ?? String(at + 1) })) };
}

/** Errors: `FLOW_NOT_FOUND`, in the words that the caller expects. */
export function requireOwn(stored: Definition | null, which: Which, text?: string): Definition {
  if (stored === null || !maySee(which, stored))
    throw new UmbelError('FLOW_NOT_FOUND', { flow: which.flow, text });
  return stored;
}

/** Errors: `FLOW_NOT_INACTIVE`. */
export function requireInactive({ flow, status }: Definition): void {
  if (status !== 'inactive') throw new UmbelError('FLOW_NOT_INACTIVE', { flow, status });
}

/** The event of a change of the definition. */
export function tellChange(
  kind: 'created' | 'changed' | 'deleted',
  stored: Definition | null,
  { flow, tenant: asking, user }: Which,
): NewEvent[] {
  const tenant = stored?.tenant ?? asking;
  const name = `flowrepo.flow.${kind === 'changed' ? 'modified' : kind}`;
  return [{ name, tenant, payload: { id: flow, tenant, user: user ?? null } }];
}

function refuseForeign(stored: Definition | null, which: Which): void {
  if (stored !== null && !maySee(which, stored)) throw new UmbelError('FLOW_EXISTS', { flow: which.flow });
}

function refuse(flow: string, problems: Problem[]): void {
  if (problems.length > 0) throw new UmbelError('DEFINITION_INVALID', { flow, problems });
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
