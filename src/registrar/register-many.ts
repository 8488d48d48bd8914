// Registering inside a transaction of the caller's: what triggers decide and what they register become true together.
// Called by triggers/fire.ts. See register.ts for single requests.
import { UmbelError } from '../errors.ts';
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
export type ManyAnswer = { outcome: 'registered' | 'existing'; id: string } | { outcome: 'stale' } | Error;

export interface ManyRegistrar {
  /** Reads and keeps the plans of these flows, so that registering them later need not. Never rejects for a flow's sake. */
  warm: (flows: string[]) => Promise<void>;
  /** Registers all requests in the transaction; one that cannot be gets its error and harms no other. */
  register: (tx: Tx, requests: RegisterRequest[]) => Promise<ManyAnswer[]>;
  /** To be called once the transaction of `register` has committed. */
  announce: () => void;
}

interface Ready {
  at: number;
  queued: Queued;
}

export function makeManyRegistrar(db: Database, wake: RegisterDeps['wake']): ManyRegistrar {
  const plans = makePlans({
    readDefinitions: (flows) => readDefinitions(db, flows),
    storePlan: (plan) => storePlan(db, plan),
  });
  let registered: { queued: Queued[]; answers: ManyAnswer[] }[] = [];

  const findPlan = (flow: string): Promise<Plan | Error> =>
    Promise.resolve(plans.cached(flow) ?? plans.load(flow)).catch(refuseFlow);

  async function register(tx: Tx, requests: RegisterRequest[]): Promise<ManyAnswer[]> {
    registered = [];
    const found = await Promise.all(requests.map(({ flow }) => findPlan(flow)));
    const answers: ManyAnswer[] = found.map((plan, at) => {
      if (plan instanceof Error) return plan;
      return checkRequest(requests[at]!, plan) ?? { outcome: 'stale' };
    });
    const ready = found.flatMap((plan, at): Ready[] =>
      plan instanceof Error || answers[at] instanceof Error
        ? []
        : [{ at, queued: { plan, registration: toRegistration(requests[at]!, plan) } }],
    );
    const written = await writeApart(
      tx,
      ready.map(({ queued }) => queued.registration),
    );
    for (const [index, { at, queued }] of ready.entries()) {
      const answer = written[index]!;
      answers[at] = answer;
      if (!(answer instanceof Error) && answer.outcome === 'stale') plans.forget(queued.plan);
    }
    registered.push({ queued: ready.map(({ queued }) => queued), answers: written });
    return answers;
  }

  return {
    async warm(flows) {
      const cold = flows.filter((flow) => plans.cached(flow) === undefined);
      await Promise.all(cold.map(findPlan));
    },
    register,
    announce() {
      for (const { queued, answers } of registered)
        for (const [pool, priority] of findReady(queued, answers)) wake(pool, priority);
      registered = [];
    },
  };
}

/** What is wrong with the flow itself; that the database is away is everybody's trouble. */
function refuseFlow(error: unknown): Error {
  if (error instanceof UmbelError && error.code !== 'DATABASE_UNREACHABLE' && error.code !== 'QUEUE_FULL')
    return error;
  throw error;
}

/** Halves a batch that fails until it fails only whom it must. */
async function writeApart(tx: Tx, batch: Registration[]): Promise<ManyAnswer[]> {
  if (batch.length === 0) return [];
  const answers = await nameFailure(registerInside(tx, batch)).catch((error: unknown) => {
    if (judgeFailure(error) !== 'one' || !(error instanceof Error)) throw error;
    return error;
  });
  if (!(answers instanceof Error)) return answers as ManyAnswer[];
  if (batch.length === 1) return [answers];
  const half = Math.ceil(batch.length / 2);
  return [...(await writeApart(tx, batch.slice(0, half))), ...(await writeApart(tx, batch.slice(half)))];
}
