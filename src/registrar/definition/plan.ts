// A stored definition becomes a version with its plan: what registering an execution copies. Called by plans.ts and flows.ts.
import { expand } from '../../dag/expand.ts';
import { type Selection, selectTasks } from '../../dag/select.ts';
import type { Json, JsonObject, PlanTask, Problem, Step } from '../../dag/vocabulary.ts';
import type { Definition, StoredPlan } from '../../sql/definitions.ts';
import { hashVersion } from '../version.ts';
import { checkStored } from './check.ts';

/** What an execution may ask for that makes its tasks others than those of its flow. */
export interface PlanOptions extends Selection {
  /** How often a failed attempt is tried again in steps that do not say. */
  retries?: number | undefined;
  /** How many of its tasks run at once. */
  concurrency?: number | undefined;
  /** The step whose result is the execution's. */
  output?: string | undefined;
}

/** As much of a definition as executions are made of. */
export type Plannable = Pick<Definition, 'flow' | 'revision' | 'tenant' | 'settings' | 'steps'>;

/** Its problems when it cannot run. The version is a hash of all that executions are made of. */
export function planDefinition(definition: Plannable, options: PlanOptions = {}): StoredPlan | Problem[] {
  const { flow, steps, settings } = definition;
  const problems = checkStored(steps, settings);
  if (problems.length > 0) return problems;
  const told = settingsOfExecutions(settings);
  const content = { flow, steps: steps as unknown as Json, ...(told === null ? {} : { settings: told }) };
  const defaults = applyRetries(asObject(settings?.['defaults']), options);
  const shape = { failFast: settings?.['failFast'] === true };
  const expanded = expand(
    steps.map((step) => applyDefaults(step, defaults)),
    shape,
  );
  const selected = selectTasks(expanded, options);
  const tasks = selected.map((task) => limitTask(task, options));
  const plain = { version: hashVersion(content), flow, definition: content, tasks };
  const execute = JSON.parse(JSON.stringify(options)) as JsonObject;
  if (Object.keys(execute).length === 0) return plain;
  const special = { ...content, execute };
  const { output } = options;
  return { ...plain, version: hashVersion(special), definition: special, base: plain.version, output };
}

/** The option beats the flow's default, of which only the times are left. */
function applyRetries(defaults: JsonObject, { retries }: PlanOptions): JsonObject {
  if (retries === undefined) return defaults;
  return { ...defaults, retry: { ...asObject(defaults['retry']), limit: retries } };
}

/** How a flow is started is none of an execution's business. */
function settingsOfExecutions(settings: JsonObject | null): JsonObject | null {
  const { flowSettings: _, ...told } = settings ?? {};
  return Object.keys(told).length === 0 ? null : told;
}

/** What has a limit is claimed with its slots. */
function limitTask(task: PlanTask, { concurrency }: PlanOptions): PlanTask {
  const ofExecution = concurrency === undefined ? {} : { executionConcurrency: concurrency };
  const options: JsonObject = { ...task.options, ...ofExecution };
  const limited = LIMITING.some((key) => options[key] !== undefined);
  return limited ? { ...task, options, limited } : task;
}

const LIMITING = ['concurrency', 'rate', 'executionConcurrency'] as const;

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
