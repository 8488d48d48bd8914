// A stored definition becomes a version with its plan: what registering an execution copies. Called by plans.ts and flows.ts.
import { expand } from '../../dag/expand.ts';
import type { Json, JsonObject, PlanTask, Problem, Step } from '../../dag/vocabulary.ts';
import type { Definition } from '../../sql/definitions.ts';
import { hashVersion } from '../version.ts';
import { checkStored } from './check.ts';

export interface StoredPlan {
  version: string;
  flow: string;
  definition: Json;
  tasks: PlanTask[];
}

/** Its problems when it cannot run. The version is a hash of all that executions are made of. */
export function planDefinition({ flow, steps, settings }: Definition): StoredPlan | Problem[] {
  const problems = checkStored(steps, settings);
  if (problems.length > 0) return problems;
  const told = settingsOfExecutions(settings);
  const content = { flow, steps: steps as unknown as Json, ...(told === null ? {} : { settings: told }) };
  const tasks = expand(
    steps.map((step) => applyDefaults(step, asObject(settings?.['defaults']))),
    { failFast: settings?.['failFast'] === true },
  );
  return { version: hashVersion(content), flow, definition: content, tasks };
}

/** How a flow is started is none of an execution's business. */
function settingsOfExecutions(settings: JsonObject | null): JsonObject | null {
  const { flowSettings: _, ...told } = settings ?? {};
  return Object.keys(told).length === 0 ? null : told;
}

/** A step's own word beats the flow's. */
function applyDefaults(step: Step, { priority, pool, ...defaults }: JsonObject): Step {
  const { priority: written, ...own } = step.options ?? {};
  const timeout = mergeTimeouts(defaults['timeout'], own['timeout']);
  const options = { ...defaults, ...own, ...(timeout === undefined ? {} : { timeout }) };
  return {
    ...step,
    priority: step.priority === 0 && written !== 0 ? Number(priority ?? 0) : step.priority,
    pool: step.pool ?? (typeof pool === 'string' ? pool : null),
    options: Object.keys(options).length === 0 ? null : options,
  };
}

/** Limit by limit; a duration alone is that of an attempt. */
function mergeTimeouts(flow: Json | undefined, step: Json | undefined): Json | undefined {
  if (flow === undefined || step === undefined) return step ?? flow;
  const asLimits = (timeout: Json) =>
    typeof timeout === 'object' ? asObject(timeout) : { attempt: timeout };
  return { ...asLimits(flow), ...asLimits(step) };
}

function asObject(value: Json | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
}
