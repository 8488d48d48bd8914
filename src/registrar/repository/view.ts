// A flow as Open Integration Hub shows it: a view of its rows, with nodes and edges in place of steps. Called by repository.ts and life-cycle/.
import { buildGraph } from '../../dag/graph.ts';
import type { Json, JsonObject } from '../../dag/vocabulary.ts';
import type { Definition, LifeStatus, Owner } from '../../sql/definitions.ts';
import { toFlow } from '../definition/rows.ts';
import type { FlowHead, StepDefinition } from '../definition/schema.ts';

/** A step with its program in two parts and its parameters as `fields`; what else a step may say stands in it as there. */
export type Node = Omit<
  StepDefinition,
  'program' | 'params' | 'after' | 'before' | 'conditions' | 'edgeIds'
> & {
  componentId: string;
  function: string;
  fields?: JsonObject;
};

export interface Edge {
  id?: string;
  source: string;
  target: string;
  config?: { condition: string };
}

export interface FlowView extends FlowHead {
  graph: { nodes: Node[]; edges: Edge[] };
  status: LifeStatus;
  tenant: string;
  owners: Owner[];
  /** ISO 8601. */
  createdAt: string;
  updatedAt: string;
}

export function toView(definition: Definition): FlowView {
  const { steps, ...head } = toFlow(definition);
  const { status, tenant, owners, createdAt, updatedAt } = definition;
  return {
    ...head,
    graph: { nodes: steps.map(toNode), edges: listEdges(definition, steps) },
    status,
    tenant,
    owners,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  };
}

/** As an event carries it. */
export function toPayload(definition: Definition): JsonObject {
  return toView(definition) as unknown as JsonObject;
}

/** The component that stands for programs without a dot in their name. */
export const PROGRAM = 'program';

export function toProgram(componentId: string, name: string): string {
  return componentId === PROGRAM ? name : `${componentId}.${name}`;
}

/** `a.b` is the function b of the component a. */
export function splitProgram(program: string): { componentId: string; function: string } {
  const dot = program.indexOf('.');
  if (dot <= 0) return { componentId: PROGRAM, function: program };
  return { componentId: program.slice(0, dot), function: program.slice(dot + 1) };
}

function toNode(step: StepDefinition): Node {
  const { id, program, params = {}, after: _, before: __, conditions: ___, edgeIds: ____, ...rest } = step;
  const fields = Object.keys(params).length === 0 ? {} : { fields: params };
  return { id, ...splitProgram(program), ...fields, ...rest };
}

/** All edges that there are, however the rows say them. */
function listEdges({ steps: rows }: Definition, steps: StepDefinition[]): Edge[] {
  const { depends, gotos } = buildGraph(rows);
  return depends.flatMap((all, at) => {
    // Where a caught failure goes stands in the step that catches it.
    const predecessors = all.filter((from) => !gotos[at]?.includes(from));
    const { id: target, conditions = {}, edgeIds = {} } = steps[at]!;
    return predecessors.map((from) => {
      const source = steps[from]!.id;
      const id: Json | undefined = edgeIds[source];
      const condition: Json | undefined = conditions[source];
      return {
        ...(id === undefined ? {} : { id }),
        source,
        target,
        ...(condition === undefined ? {} : { config: { condition } }),
      };
    });
  });
}
