// Reads a flow, or what shall change of one, as Open Integration Hub's routes take it: everything that is wrong with it at once.
// Called by repository.ts.
import type { Json, JsonObject, Problem } from '../../dag/vocabulary.ts';
import { UmbelError } from '../../errors.ts';
import type { Owner } from '../../sql/definitions.ts';
import { checkFlow } from '../definition/check.ts';
import type { FlowDefinition, FlowHead, StepDefinition } from '../definition/schema.ts';
import { readGraph } from './graph-input.ts';

/** What was given; the other keys stay what they are. */
export interface FlowInput {
  /** null takes a key away. */
  head: { [Key in keyof FlowHead]?: FlowHead[Key] | null };
  steps?: StepDefinition[];
  owners?: Owner[];
}

/** What answers carry besides: given back, it changes nothing. */
const READ_ONLY = ['createdAt', 'updatedAt', 'tenant', 'hookUrl'];
const SET_BY_HAND = 'Flow status cannot be set manually. Use the flow start/stop end points instead.';
const ANY_STEP: StepDefinition = { id: 'a', program: 'empty' };

/** A whole flow; `id` is what it is called when it does not say. Errors: `FLOW_INVALID`. */
export function readNewFlow(value: unknown, id: string): { flow: FlowDefinition; owners: Owner[] } {
  const { problems, input } = read(value, true);
  const flow = makeFlow(id, input, [ANY_STEP]);
  refuse(flow.id, [...problems, ...judge(flow)]);
  return { flow, owners: input.owners ?? [] };
}

/** What shall change of the flow `id`. Errors: `FLOW_INVALID`. */
export function readPatch(value: unknown, id: string): FlowInput {
  const { problems, input } = read(value, false);
  if (input.head.id !== undefined && input.head.id !== id)
    problems.push({ path: 'id', message: `must be ${JSON.stringify(id)}, as the flow is called` });
  delete input.head.id;
  refuse(id, [...problems, ...judge(makeFlow(id, input, [ANY_STEP]))]);
  return input;
}

/** The flow with the change. Errors: `FLOW_INVALID`, when the parts do not go together. */
export function applyPatch(stored: FlowDefinition, input: FlowInput): FlowDefinition {
  const { steps, ...head } = stored;
  const flow = makeFlow(stored.id, { ...input, head: { ...head, ...input.head } }, steps);
  refuse(flow.id, judge(flow));
  return flow;
}

function refuse(flow: string, problems: Problem[]): void {
  if (problems.length > 0) throw new UmbelError('FLOW_INVALID', { flow, problems });
}

function read(value: unknown, whole: boolean): { problems: Problem[]; input: FlowInput } {
  if (!isObject(value))
    return { problems: [{ path: '', message: 'a flow must be an object' }], input: { head: {} } };
  const { graph, owners, status, ...rest } = value;
  const head = Object.fromEntries(Object.entries(rest).filter(([key]) => !READ_ONLY.includes(key)));
  const problems: Problem[] = [];
  if (status !== undefined) problems.push({ path: 'status', message: SET_BY_HAND });
  if (head['steps'] !== undefined) problems.push({ path: 'steps', message: 'is not known; write a graph' });
  delete head['steps'];
  problems.push(...checkOwners(owners));
  const input: FlowInput = { head };
  if (owners !== undefined) input.owners = owners as unknown as Owner[];
  if (graph === undefined && !whole) return { problems, input };
  const drawn = readGraph(graph);
  problems.push(...drawn.problems);
  return { problems, input: drawn.steps.length === 0 ? input : { ...input, steps: drawn.steps } };
}

function checkOwners(owners: Json | undefined): Problem[] {
  if (owners === undefined) return [];
  if (!Array.isArray(owners)) return [{ path: 'owners', message: 'must be a list' }];
  return owners.flatMap((owner, at) => {
    const { id, type, ...others } = isObject(owner) ? owner : {};
    const path = `owners[${at}]`;
    return [
      ...(isText(id) ? [] : [{ path: `${path}.id`, message: 'Flow owners require an id.' }]),
      ...(isText(type) ? [] : [{ path: `${path}.type`, message: 'Flow owners require a type.' }]),
      ...Object.keys(others).map((key) => ({ path: `${path}.${key}`, message: 'is not known' })),
    ];
  });
}

function makeFlow(id: string, { head, steps }: FlowInput, otherwise: StepDefinition[]): FlowDefinition {
  const given = Object.entries({ id, ...head }).filter(([, part]) => part !== null);
  return { ...Object.fromEntries(given), steps: steps ?? otherwise } as FlowDefinition;
}

/** The one validator's verdict, with the places of a graph. */
function judge(flow: FlowDefinition): Problem[] {
  const { problems, missing } = checkFlow(flow);
  return [...problems, ...missing].map(({ path, message }) => ({ path: toGraphPath(path), message }));
}

const NAMES: Record<string, string> = { program: 'function', params: 'fields', after: 'edges' };

function toGraphPath(path: string): string {
  return path.replace(/^steps(\[\d+\])?(?:\.(\w+))?/, (_, at: string = '', key?: string) =>
    key === undefined ? `graph.nodes${at}` : `graph.nodes${at}.${NAMES[key] ?? key}`,
  );
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
