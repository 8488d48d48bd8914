// Plans of flows, kept in memory: what register.ts needs to know to register an execution without reading the definition again.
// Only valid plans are kept. A kept one may be out of date: whoever would refuse a request because of it loads it afresh.
import { parseDuration } from '../dag/duration.ts';
import type { JsonObject, PlanTask, Step } from '../dag/vocabulary.ts';
import { UmbelError } from '../errors.ts';
import type { Definition } from '../sql/definitions.ts';
import { makeBatcher } from './batch.ts';
import { planDefinition, type StoredPlan } from './definition/plan.ts';
import { judgeFailure, nameFailure } from './failure.ts';

/** What is kept of a plan whose tasks are stored. */
export interface Plan {
  flow: string;
  revision: string;
  version: string;
  tenant: string;
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
  cached: (flow: string) => Plan | undefined;
  /** Reads, checks and stores. Errors: `FLOW_NOT_FOUND`, `DEFINITION_INVALID` with every problem. */
  load: (flow: string) => Promise<Plan>;
  forget: (plan: Plan) => void;
}

export function makePlans(deps: PlanDeps): Plans {
  const kept = new Map<string, Plan>();
  const addLoad = makeBatcher({
    run: (flows: string[]) => nameFailure(loadPlans(deps, flows)),
    judge: judgeFailure,
    limits: LOAD_LIMITS,
  });

  function keep(plan: Plan): void {
    kept.delete(plan.flow);
    kept.set(plan.flow, plan);
    if (kept.size <= (deps.kept ?? KEPT)) return;
    const [oldest] = kept.keys();
    if (oldest !== undefined) kept.delete(oldest);
  }

  return {
    cached(flow) {
      const plan = kept.get(flow);
      if (plan !== undefined) keep(plan);
      return plan;
    },
    async load(flow) {
      const loaded = await addLoad(flow, flow.length);
      if (loaded instanceof Error) throw loaded;
      keep(loaded);
      return loaded;
    },
    forget(plan) {
      if (kept.get(plan.flow) === plan) kept.delete(plan.flow);
    },
  };
}

/** One read for all the flows, each planned once; a flow that cannot be planned gives its error instead. */
async function loadPlans(deps: PlanDeps, flows: string[]): Promise<(Plan | Error)[]> {
  const definitions = await deps.readDefinitions([...new Set(flows)]);
  const plans = new Map<string, Plan | Error>();
  await Promise.all(
    definitions.map(async (definition) => plans.set(definition.flow, await plan(deps, definition))),
  );
  return flows.map((flow) => plans.get(flow) ?? new UmbelError('FLOW_NOT_FOUND', { flow }));
}

async function plan(deps: PlanDeps, definition: Definition): Promise<Plan | Error> {
  const planned = planDefinition(definition);
  if (Array.isArray(planned)) {
    return new UmbelError('DEFINITION_INVALID', { flow: definition.flow, problems: planned });
  }
  try {
    await nameFailure(deps.storePlan(planned));
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
  const { flow, revision, tenant, steps, settings } = definition;
  const deadline = parseDuration(settings?.['deadline']) || null;
  const { version, tasks } = planned;
  const inputSchema = (settings?.['inputSchema'] ?? null) as JsonObject | null;
  const params = paramKeys(steps);
  return { flow, revision, version, tenant, deadline, params, roots: findRoots(tasks), inputSchema };
}

function paramKeys(steps: Step[]): ReadonlySet<string> {
  return new Set(steps.flatMap((step) => Object.keys(step.params)));
}

function findRoots(tasks: PlanTask[]): ReadonlyMap<string, number> {
  const roots = new Map<string, number>();
  for (const { waitingOn, pool, priority } of tasks) {
    if (waitingOn === 0) roots.set(pool, Math.min(priority, roots.get(pool) ?? priority));
  }
  return roots;
}
