// Definitions as the outside may ask for them: whole flows and single steps. Called by http/routes/ and cmd/.
import type { Definition, StoredPlan } from '../../sql/definitions.ts';
import type { FlowVersionRow } from '../../sql/flows.ts';
import { nameFailure, retryConflicts } from '../failure.ts';
import type { Changes } from './changes.ts';
import {
  changeStep,
  createStep,
  defineFlow,
  deleteFlow,
  dropStep,
  type Edit,
  requireOwn,
  type Which,
  type WhichStep,
  type WrittenStep,
} from './flow-edits.ts';
import { drawGraph, type FlowGraph } from './graph.ts';
import { planDefinition } from './plan.ts';
import { toFlow } from './rows.ts';
import type { FlowDefinition } from './schema.ts';

export interface FlowDeps {
  editFlow: <Result>(which: Which, edit: (stored: Definition | null) => Edit<Result>) => Promise<Result>;
  readDefinition: (flow: string) => Promise<Definition | null>;
  listVersions: (flow: string) => Promise<FlowVersionRow[]>;
  storePlan: (plan: StoredPlan) => Promise<void>;
}

/** A flow with its version; null while it cannot run. */
export interface Defined {
  flow: FlowDefinition;
  version: string | null;
}

export interface FlowVersion {
  version: string;
  /** ISO 8601. */
  createdAt: string;
  /** Whether it is what the flow says now. */
  current: boolean;
  definition: FlowDefinition;
}

/** Errors of all: `DATABASE_UNREACHABLE`; where something is changed `DEFINITION_INVALID`, but for `delete`. */
export interface Flows {
  /** Errors: `FLOW_NOT_FOUND`. */
  read: (which: Which) => Promise<Defined>;
  /** Creates or replaces a flow, whatever `value` is. Errors: `FLOW_EXISTS`. */
  define: (which: Which, value: unknown) => Promise<Defined & { changes: Changes }>;
  /** Executions that run go on. Errors: `FLOW_NOT_FOUND`, `FLOW_NOT_INACTIVE`. */
  delete: (which: Which) => Promise<void>;
  /** Creates the flow when it is new. Errors: `STEP_EXISTS`, `FLOW_EXISTS`. */
  createStep: (which: Which, value: unknown) => Promise<WrittenStep>;
  /** Errors: `FLOW_NOT_FOUND`, `STEP_NOT_FOUND`, `STEP_EXISTS`. */
  replaceStep: (which: WhichStep, value: unknown) => Promise<WrittenStep>;
  /** Errors: `FLOW_NOT_FOUND`, `STEP_NOT_FOUND`, `STEP_REQUIRED`, `FLOW_NOT_INACTIVE` for the last one. */
  deleteStep: (which: WhichStep & { detach: boolean }) => Promise<void>;
  /** Errors: `FLOW_NOT_FOUND`. */
  graph: (which: Which) => Promise<FlowGraph>;
  /** Newest first. Errors: `FLOW_NOT_FOUND`. */
  versions: (which: Which) => Promise<FlowVersion[]>;
}

export function makeFlows(deps: FlowDeps): Flows {
  const find = async (which: Which) => requireOwn(await nameFailure(deps.readDefinition(which.flow)), which);
  return {
    read: async (which) => describe(await find(which)),
    async define(which, value) {
      const changes = await edit(deps, which, (stored) => defineFlow(stored, which, value));
      const definition = await find(which);
      const planned = planDefinition(definition);
      if (!Array.isArray(planned)) await nameFailure(deps.storePlan(planned));
      return { ...describe(definition), changes };
    },
    delete: (which) => edit(deps, which, (stored) => deleteFlow(stored, which)),
    createStep: (which, value) => edit(deps, which, (stored) => createStep(stored, which, value)),
    replaceStep: (which, value) => edit(deps, which, (stored) => changeStep(stored, which, value)),
    deleteStep: (which) => edit(deps, which, (stored) => dropStep(stored, which)),
    graph: async (which) => drawGraph(await find(which)),
    async versions(which) {
      const { version } = describe(await find(which));
      const rows = await nameFailure(deps.listVersions(which.flow));
      return rows.map((row) => toVersion(row, version));
    },
  };
}

function edit<Result>(
  deps: FlowDeps,
  which: Which,
  change: (stored: Definition | null) => Edit<Result>,
): Promise<Result> {
  return retryConflicts(() => nameFailure(deps.editFlow(which, change)));
}

function describe(definition: Definition): Defined {
  const planned = planDefinition(definition);
  return { flow: toFlow(definition), version: Array.isArray(planned) ? null : planned.version };
}

function toVersion({ version, createdAt, definition }: FlowVersionRow, current: string | null): FlowVersion {
  const content = definition as unknown as Pick<Definition, 'flow' | 'steps'> & Partial<Definition>;
  return {
    version,
    createdAt: createdAt.toISOString(),
    current: version === current,
    definition: toFlow(content),
  };
}
