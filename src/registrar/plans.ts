// Plans of flows, kept in memory: what register.ts needs to know to register an execution without reading the definition again.
// Only valid plans are kept. A kept one may be out of date: whoever would refuse a request because of it loads it afresh.
import { parseDuration } from '../dag/duration.ts';
import { type Json, type JsonObject, limitedLane, type PlanTask, type Step } from '../dag/vocabulary.ts';
import { UmbelError } from '../errors.ts';
import type { Definition, StoredPlan } from '../sql/definitions.ts';
import { makeBatcher } from './batch.ts';
import { planDefinition, type Plannable, type PlanOptions } from './definition/plan.ts';
import { judgeFailure, nameFailure } from './failure.ts';
import { canonicalJson } from './version.ts';

/** What is kept of a plan whose tasks are stored. */
export interface Plan {
  flow: string;
  /** Of the options that it was made for; see `variantOf`. */
  variant: string;
  revision: string;
  version: string;
  tenant: string;
  /** Names of its steps. */
  steps: ReadonlySet<string>;
  /** Milliseconds that an execution may take; null: no limit. */
  deadline: number | null;
  /** Keys of the parameters of all its steps. */
  params: ReadonlySet<string>;
  /** For each pool in which a root waits, the most urgent priority of those. */
  roots: ReadonlyMap<string, number>;
  /** What the input has to fit; null: anything does. */
  inputSchema: JsonObject | null;
}

export interface PlanDeps {
  readDefinitions: (flows: string[]) => Promise<Definition[]>;
  /** Does nothing when the version is stored already. */
  storePlan: (plan: StoredPlan) => Promise<void>;
  /** Plans kept at most; the least recently used goes first. */
  kept?: number;
}

const KEPT = 10_000;
const LOAD_LIMITS = { items: 100, inFlight: 2 };

export interface Plans {
  cached: (flow: string, options?: PlanOptions) => Plan | undefined;
  /** Reads, checks and stores. Errors: `FLOW_NOT_FOUND`, `DEFINITION_INVALID` with every problem. */
  load: (flow: string, options?: PlanOptions) => Promise<Plan>;
  /** Of a definition that no flow has; stored for this one use. Errors: `DEFINITION_INVALID`. */
  make: (definition: Plannable, options?: PlanOptions) => Promise<Plan>;
  forget: (plan: Plan) => void;
}

interface Wanted {
  flow: string;
  options: PlanOptions | undefined;
}

/** Equal options are equal texts; none are ''. */
function variantOf(options: PlanOptions | undefined): string {
  return options === undefined ? '' : canonicalJson(JSON.parse(JSON.stringify(options)) as Json);
}

function keyOf(flow: string, variant: string): string {
  return variant === '' ? flow : `${flow}\u0000${variant}`;
}

export function makePlans(deps: PlanDeps): Plans {
  const kept = new Map<string, Plan>();
  const addLoad = makeBatcher({
    run: (wanted: Wanted[]) => nameFailure(loadPlans(deps, wanted)),
    judge: judgeFailure,
    limits: LOAD_LIMITS,
  });

  function keep(plan: Plan): void {
    const key = keyOf(plan.flow, plan.variant);
    kept.delete(key);
    kept.set(key, plan);
    if (kept.size <= (deps.kept ?? KEPT)) return;
    const [oldest] = kept.keys();
    if (oldest !== undefined) kept.delete(oldest);
  }

  return {
    cached(flow, options) {
      const plan = kept.get(keyOf(flow, variantOf(options)));
      if (plan !== undefined) keep(plan);
      return plan;
    },
    async load(flow, options) {
      const loaded = await addLoad({ flow, options }, flow.length);
      if (loaded instanceof Error) throw loaded;
      keep(loaded);
      return loaded;
    },
    async make(definition, options) {
      const made = await plan(deps, definition, options);
      if (made instanceof Error) throw made;
      return made;
    },
    forget(plan) {
      const key = keyOf(plan.flow, plan.variant);
      if (kept.get(key) === plan) kept.delete(key);
    },
  };
}

/** One read for all the flows, each planned once for the same options; a flow that cannot be planned gives its error instead. */
async function loadPlans(deps: PlanDeps, wanted: Wanted[]): Promise<(Plan | Error)[]> {
  const definitions = await deps.readDefinitions([...new Set(wanted.map(({ flow }) => flow))]);
  const byFlow = new Map(definitions.map((definition) => [definition.flow, definition]));
  const plans = new Map<string, Promise<Plan | Error>>();
  const find = ({ flow, options }: Wanted): Promise<Plan | Error> => {
    const definition = byFlow.get(flow);
    if (definition === undefined) return Promise.resolve(new UmbelError('FLOW_NOT_FOUND', { flow }));
    const key = keyOf(flow, variantOf(options));
    const made = plans.get(key) ?? plan(deps, definition, options);
    plans.set(key, made);
    return made;
  };
  return Promise.all(wanted.map(find));
}

/** With options, the version without them is stored as well: it is the one that people see. */
async function plan(
  deps: PlanDeps,
  definition: Plannable,
  options: PlanOptions | undefined,
): Promise<Plan | Error> {
  const { flow, revision, tenant, steps, settings } = definition;
  const variant = variantOf(options);
  try {
    if (variant !== '') await storePlan(deps, definition, undefined);
    const { version, tasks } = await storePlan(deps, definition, options);
    return {
      flow,
      variant,
      revision,
      version,
      tenant,
      deadline: parseDuration(settings?.['deadline']) || null,
      inputSchema: (settings?.['inputSchema'] ?? null) as JsonObject | null,
      steps: new Set(tasks.map(({ step }) => step)),
      params: paramKeys(steps),
      roots: findRoots(tasks),
    };
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

async function storePlan(
  deps: PlanDeps,
  definition: Plannable,
  options: PlanOptions | undefined,
): Promise<StoredPlan> {
  const planned = planDefinition(definition, options);
  if (Array.isArray(planned))
    throw new UmbelError('DEFINITION_INVALID', { flow: definition.flow, problems: planned });
  await nameFailure(deps.storePlan(planned));
  return planned;
}

function paramKeys(steps: Step[]): ReadonlySet<string> {
  return new Set(steps.flatMap((step) => Object.keys(step.params)));
}

function findRoots(tasks: PlanTask[]): ReadonlyMap<string, number> {
  const roots = new Map<string, number>();
  for (const { waitingOn, selected, limited, pool, priority } of tasks) {
    if (waitingOn > 0 || selected === false) continue;
    const lane = limited ? limitedLane(pool) : pool;
    roots.set(lane, Math.min(priority, roots.get(lane) ?? priority));
  }
  return roots;
}
