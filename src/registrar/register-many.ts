// Registering inside a transaction of the caller's: what triggers decide and what they register become true together.
// Called by triggers/fire.ts. See register.ts for single requests.
import { isUmbelError } from '../errors.ts';
import type { Database, Tx } from '../sql/database.ts';
import { readDefinitions, storePlan } from '../sql/definitions.ts';
import { registerInside, type Registration } from '../sql/register.ts';
import { judgeFailure, nameFailure } from './failure.ts';
import { checkRequest } from './overrides.ts';
import { makePlans, type Plan } from './plans.ts';
import {
  findReady,
  type Queued,
  type RegisterDeps,
  type RegisterRequest,
  toRegistration,
} from './register.ts';

/** `stale`: the definition changed under way; the same again finds the new one. */
export type ManyAnswer = { outcome: 'registered' | 'existing' | 'stale'; id: string } | Error;

export interface ManyRegistrar {
  /** Reads and keeps the plans of these flows, so that registering them later need not. Does not reject for a flow's sake. */
  warm: (flows: string[]) => Promise<void>;
  /**
   * Registers all requests in the transaction; one that cannot be gets its error and harms no other. `announce` is to be called
   * once the transaction has committed.
   */
  register: (tx: Tx, requests: RegisterRequest[]) => Promise<{ answers: ManyAnswer[]; announce: () => void }>;
}

export function makeManyRegistrar(db: Database, wake: RegisterDeps['wake']): ManyRegistrar {
  const plans = makePlans({
    readDefinitions: (flows) => readDefinitions(db, flows),
    storePlan: (plan) => storePlan(db, plan),
  });
  const findPlan = async (flow: string) => plans.cached(flow) ?? plans.load(flow).catch(refuseFlow);
  return {
    async warm(flows) {
      await Promise.all(flows.map(findPlan));
    },
    async register(tx, requests) {
      const found = await Promise.all(requests.map(({ flow }) => findPlan(flow)));
      const queued = requests.map((request, at) => toQueued(request, found[at]!));
      const ready = queued.flatMap((one) => (one instanceof Error ? [] : [one]));
      const written = await writeApart(
        tx,
        ready.map(({ registration }) => registration),
      );
      for (const [at, answer] of written.entries())
        if (!(answer instanceof Error) && answer.outcome === 'stale') plans.forget(ready[at]!.plan);
      const rest = written.values();
      return {
        answers: queued.map((one) => (one instanceof Error ? one : rest.next().value!)),
        announce: () => findReady(ready, written).forEach((priority, pool) => wake(pool, priority)),
      };
    },
  };
}

function toQueued(request: RegisterRequest, plan: Plan | Error): Queued | Error {
  if (plan instanceof Error) return plan;
  return checkRequest(request, plan) ?? { plan, registration: toRegistration(request, plan) };
}

/** What is wrong with the flow itself; that the database is away is everybody's trouble. */
function refuseFlow(error: unknown): Error {
  const ofFlow = isUmbelError(error, 'FLOW_NOT_FOUND') || isUmbelError(error, 'DEFINITION_INVALID');
  if (ofFlow) return error;
  throw error;
}

/** Halves a batch that fails until it fails only whom it must. */
async function writeApart(tx: Tx, batch: Registration[]): Promise<ManyAnswer[]> {
  if (batch.length === 0) return [];
  const answers = await nameFailure(registerInside(tx, batch)).catch((error: unknown) => {
    if (judgeFailure(error) !== 'one' || !(error instanceof Error)) throw error;
    return error;
  });
  if (!(answers instanceof Error)) return answers;
  if (batch.length === 1) return [answers];
  const half = Math.ceil(batch.length / 2);
  return [...(await writeApart(tx, batch.slice(0, half))), ...(await writeApart(tx, batch.slice(half)))];
}
