// Registration: a call becomes an execution with all its tasks, in one statement shared by the calls that come together.
// Called by http/routes/register.ts, cmd/ and triggers/. See plans.ts for the definitions and batch.ts for the gathering.
import { v7 as makeId } from 'uuid';
import type { Json, JsonObject } from '../dag/vocabulary.ts';
import { UmbelError } from '../errors.ts';
import type { Registration, RegistrationAnswer } from '../sql/register.ts';
import { makeBatcher } from './batch.ts';
import { judgeFailure, nameFailure } from './failure.ts';
import { checkRequest } from './overrides.ts';
import type { Plannable, PlanOptions } from './definition/plan.ts';
import { makePlans, type Plan, type PlanDeps } from './plans.ts';

export interface RegisterRequest {
  flow: string;
  tenant: string;
  /** The execution's id; one is made when none is given. */
  id?: string | undefined;
  input?: Json | undefined;
  /** Overrides parameters of the steps, by key. */
  params?: JsonObject | undefined;
  /** Of every task; -20 (most urgent) to 19. */
  priority?: number | undefined;
  /** What makes its tasks others than those of its flow. */
  options?: PlanOptions | undefined;
  /** What to run when no flow has it; `flow` is what it shows. */
  definition?: Plannable | undefined;
  /** A second call of the same flow with it gives the execution of the first. */
  idempotencyKey?: string | undefined;
  /** What started it; kept with the execution. */
  trigger: Json;
  /** Milliseconds that it may take, in place of the flow's `deadline`; 0: no limit. */
  timeout?: number | undefined;
  /** The task that starts it, which is told of its end. */
  parent?: { id: string; seq: string } | undefined;
}

export interface Registered {
  outcome: 'registered' | 'existing';
  /** The execution's id, `task_flow_id`. */
  id: string;
}

export interface RegisterDeps extends PlanDeps {
  /** One statement, one transaction; answers in order. */
  registerExecutions: (batch: Registration[]) => Promise<RegistrationAnswer[]>;
  /** Called once a committed batch for each pool that has work now, with the most urgent priority of it. Must not throw. */
  wake: (pool: string, priority: number) => void;
}

export type Register = (request: RegisterRequest) => Promise<Registered>;

/** A registration, and the plan that it is made from. */
export interface Queued {
  registration: Registration;
  plan: Plan;
}

/** Bytes that a registration takes besides its input and parameters. */
const BASE_BYTES = 400;
/** A definition may change between reading and writing; one that changes this often in a row is being written to in a loop. */
const TRIES = 8;

/** Errors of the function it makes: `FLOW_NOT_FOUND`, `DEFINITION_INVALID`, `DEFINITION_CHANGING`, `BODY_INVALID`, `INPUT_INVALID`, `QUEUE_FULL`, `DATABASE_UNREACHABLE`. */
export function makeRegister(deps: RegisterDeps): Register {
  const plans = makePlans(deps);
  const enqueue = makeBatcher({
    run: (batch: Queued[]) => nameFailure(writeBatch(deps, batch)),
    judge: judgeFailure,
  });

  async function findPlan(request: RegisterRequest): Promise<Plan> {
    const { flow, options, definition } = request;
    const cached = definition === undefined ? plans.cached(flow, options) : undefined;
    if (cached !== undefined && checkRequest(request, cached) === undefined) return cached;
    const plan = await (definition === undefined
      ? plans.load(flow, options)
      : plans.make(definition, options));
    const refusal = checkRequest(request, plan);
    if (refusal !== undefined) throw refusal;
    return plan;
  }

  return async function register(request) {
    const bytes = countBytes(request);
    for (let attempt = 1; attempt <= TRIES; attempt += 1) {
      const plan = await findPlan(request);
      const { outcome, id } = await enqueue({ registration: toRegistration(request, plan), plan }, bytes);
      if (outcome !== 'stale') return { outcome, id };
      plans.forget(plan);
    }
    throw new UmbelError('DEFINITION_CHANGING', { flow: request.flow });
  };
}

async function writeBatch(deps: RegisterDeps, batch: Queued[]): Promise<RegistrationAnswer[]> {
  const answers = await deps.registerExecutions(batch.map(({ registration }) => registration));
  for (const [pool, priority] of findReady(batch, answers)) deps.wake(pool, priority);
  return answers;
}

/** For each pool in which a root waits now, the most urgent priority. */
export function findReady(
  batch: Queued[],
  answers: ({ outcome: RegistrationAnswer['outcome'] } | Error)[],
): Map<string, number> {
  const ready = new Map<string, number>();
  for (const [at, { registration, plan }] of batch.entries()) {
    const answer = answers[at];
    if (answer === undefined || answer instanceof Error || answer.outcome !== 'registered') continue;
    for (const [pool, planned] of plan.roots) {
      const priority = registration.priority ?? planned;
      if (priority < (ready.get(pool) ?? Infinity)) ready.set(pool, priority);
    }
  }
  return ready;
}

export function toRegistration(request: RegisterRequest, plan: Plan): Registration {
  const { flow, tenant, trigger, input, params, priority, idempotencyKey, parent } = request;
  const { revision, version } = plan;
  const registration: Registration = {
    id: request.id ?? makeId(),
    flow,
    revision,
    version,
    tenant,
    trigger,
  };
  if (input !== undefined) registration.input = input;
  if (params !== undefined) registration.params = params;
  if (priority !== undefined) registration.priority = priority;
  if (idempotencyKey !== undefined) registration.idempotencyKey = idempotencyKey;
  if (parent !== undefined) registration.parent = parent;
  const timeout = request.timeout ?? plan.deadline;
  if (timeout) registration.timeout = timeout;
  return registration;
}

function countBytes({ input, params }: RegisterRequest): number {
  if (input === undefined && params === undefined) return BASE_BYTES;
  return BASE_BYTES + JSON.stringify([input ?? null, params ?? null]).length;
}
