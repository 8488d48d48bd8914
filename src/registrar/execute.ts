// Starting an execution through the API, and waiting for its end if asked to. Called by http/routes/execute.ts.
// Waiting is asking again and again, ever more slowly; all who wait at the same time ask with one statement.
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Json, JsonObject } from '../dag/vocabulary.ts';
import { UmbelError } from '../errors.ts';
import type { ExecutionEnd } from '../sql/ends.ts';
import { makeBatcher } from './batch.ts';
import type { Plannable, PlanOptions } from './definition/plan.ts';
import { judgeFailure, nameFailure } from './failure.ts';
import type { Register, RegisterRequest } from './register.ts';
import { canonicalJson } from './version.ts';

export interface ExecuteRequest {
  flow: string;
  tenant: string;
  user: string;
  /** Its id; a second request with it and the same content gives the same execution. */
  id?: string | undefined;
  input?: Json | undefined;
  params?: JsonObject | undefined;
  priority?: number | undefined;
  idempotencyKey?: string | undefined;
  options?: PlanOptions | undefined;
  /** What to run when no flow has it; see ad-hoc.ts. */
  definition?: Plannable | undefined;
  /** Milliseconds that it may take. */
  timeout?: number | undefined;
}

export interface Execute {
  /** Gives the execution's id. Errors: those of registering, `EXECUTION_EXISTS`, `CONFLICT`. */
  start: (request: ExecuteRequest) => Promise<string>;
  /** How it ended; null when it has not within `budget` ms. Rejects when `signal` aborts. */
  waitForEnd: (id: string, budget: number, signal: AbortSignal) => Promise<ExecutionEnd | null>;
}

export interface ExecuteDeps {
  register: Register;
  /** In the order of the ids; null where it has not ended. */
  readEnds: (ids: string[]) => Promise<(ExecutionEnd | null)[]>;
  /** What the execution was started with; undefined when there is none. */
  readTrigger: (id: string) => Promise<Json | undefined>;
}

/** Milliseconds between looks: at first, and at most. */
const LOOKS = { first: 10, longest: 500, factor: 1.5 };

export function makeExecute(deps: ExecuteDeps): Execute {
  const readEnd = makeBatcher({
    run: (ids: string[]) => nameFailure(deps.readEnds(ids)),
    judge: judgeFailure,
    limits: { inFlight: 1 },
  });
  return {
    start: (request) =>
      request.id === undefined ? startNew(deps, request) : startOnce(deps, request, request.id),
    async waitForEnd(id, budget, signal) {
      const until = performance.now() + budget;
      for (let pause = LOOKS.first; ; pause = Math.min(pause * LOOKS.factor, LOOKS.longest)) {
        const end = await readEnd(id, id.length);
        const left = until - performance.now();
        if (end !== null || left <= 0) return end;
        await sleep(Math.min(pause, left), undefined, { signal });
      }
    },
  };
}

async function startNew(deps: ExecuteDeps, request: ExecuteRequest): Promise<string> {
  const { id } = await deps.register(toRegistration(request, { kind: 'api', user: request.user }));
  return id;
}

/** The id takes the part of the idempotency key; what was asked for is kept as a hash, to tell a repeat from another request. */
async function startOnce(deps: ExecuteDeps, request: ExecuteRequest, id: string): Promise<string> {
  const content = hashRequest(request);
  const trigger = { kind: 'api', user: request.user, request: content };
  const key = request.idempotencyKey ?? `id:${id}`;
  const registration = { ...toRegistration(request, trigger), id, idempotencyKey: key };
  try {
    const registered = await deps.register(registration);
    if (registered.id !== id) throw refuseKey(registered.id);
  } catch (error) {
    if (!isTaken(error)) throw error;
  }
  const stored = await nameFailure(deps.readTrigger(id));
  if (isObject(stored) && stored['request'] === content) return id;
  throw new UmbelError('EXECUTION_EXISTS', { execution: id });
}

function refuseKey(execution: string): UmbelError {
  return new UmbelError('CONFLICT', {
    reason: `The idempotency key is that of the execution "${execution}": leave out the id, or choose another key.`,
  });
}

function toRegistration(request: ExecuteRequest, trigger: Json): RegisterRequest {
  const { flow, tenant, input, params, priority, idempotencyKey, timeout, options, definition } = request;
  return { flow, tenant, input, params, priority, idempotencyKey, timeout, options, definition, trigger };
}

function hashRequest({ flow, tenant, input, params, priority, ...rest }: ExecuteRequest): string {
  const { options, definition, timeout } = rest;
  const given = { input: input ?? null, params: params ?? null, priority: priority ?? null };
  const more = JSON.parse(JSON.stringify({ options, definition, timeout })) as JsonObject;
  const content = { flow, tenant, ...given, ...more };
  return createHash('sha256').update(canonicalJson(content)).digest('base64url');
}

/** Somebody's row has the id already. */
function isTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '23505';
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
