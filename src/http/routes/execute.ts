// POST /flows/{flow}/executions and POST /executions: start an execution, and wait for its end when asked to.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import { DURATION_FORM, parseDuration } from '../../dag/duration.ts';
import type { Json, JsonObject } from '../../dag/vocabulary.ts';
import { UmbelError } from '../../errors.ts';
import { AD_HOC, defineAdHoc } from '../../registrar/ad-hoc.ts';
import type { ExecuteRequest } from '../../registrar/execute.ts';
import type { App, AppDeps } from '../app.ts';
import { ignoreTypeOfEmptyBody } from '../json.ts';
import type { Caller } from '../permissions.ts';
import { Errors, START } from '../schemas.ts';
import type { PlanOptions } from '../../registrar/definition/plan.ts';

/** The rest of the column's 256 characters marks the id as one. */
const LONGEST_ID = 250;
const DEFAULT_WAIT = 30_000;
const LONGEST_WAIT = 300_000;

const OPTIONS = {
  id: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: LONGEST_ID,
      description: 'of the execution; the same request again gives the same execution, another one 409',
    }),
  ),
  ...START,
  step: Type.Optional(
    Type.String({
      minLength: 1,
      description: 'run this step and what comes after it, and leave out the others',
    }),
  ),
  reverse: Type.Optional(
    Type.Boolean({
      description: 'against the edges: the last steps first; with step, that one and what comes before it',
    }),
  ),
  output: Type.Optional(
    Type.String({
      minLength: 1,
      description: 'the step whose result is that of the execution; default: the last ones',
    }),
  ),
  concurrency: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'how many of its tasks run at once' }),
  ),
  retries: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 2_147_483_647, description: 'retries of steps that do not say' }),
  ),
  timeout: Type.Optional(
    Type.Unsafe<string | number>({
      type: ['string', 'integer'],
      description: `how long the execution may take: ${DURATION_FORM}; beats the deadline of its flow, 0 is none`,
    }),
  ),
  async: Type.Optional(Type.Boolean({ description: 'false: answer when it has ended; default true' })),
  wait: Type.Optional(
    Type.Unsafe<string | number>({
      type: ['string', 'integer'],
      description: `how long to wait for its end: ${DURATION_FORM}; at most 5m, 30s when async is false`,
    }),
  ),
};

/** Judged by the registrar, with everything else that may be wrong with a definition. */
const DEFINITION = {
  name: Type.Optional(Type.Unknown({ description: 'for people' })),
  description: Type.Optional(Type.Unknown()),
  defaults: Type.Optional(Type.Unknown({ description: 'as in PUT /flows/{flow}' })),
  failFast: Type.Optional(Type.Unknown({ description: 'as in PUT /flows/{flow}' })),
  inputSchema: Type.Optional(Type.Unknown({ description: 'as in PUT /flows/{flow}' })),
  steps: Type.Unknown({ description: 'as in PUT /flows/{flow}' }),
};
const Body = Type.Object(OPTIONS, { additionalProperties: false });
const AdHocBody = Type.Object({ ...OPTIONS, ...DEFINITION }, { additionalProperties: false });
type StartBody = Static<typeof Body>;

const Started = Type.Object({ data: Type.Object({ id: Type.String() }), meta: Type.Object({}) });
const Ended = Type.Object({
  data: Type.Object({
    id: Type.String(),
    status: Type.String(),
    output: Type.Unknown(),
    error: Type.Unknown(),
  }),
  meta: Type.Object({}),
});

const answers = { 200: Ended, 202: Started, '4xx': Errors, '5xx': Errors };
const hooks = {
  onRequest: (request: FastifyRequest, _reply: unknown, done: () => void) => {
    ignoreTypeOfEmptyBody(request);
    done();
  },
};

type Deps = Pick<AppDeps, 'execute'>;

export function addExecuteRoutes(app: App, { execute }: Deps): void {
  app.post(
    '/flows/:flow/executions',
    {
      schema: {
        tags: ['executions'],
        summary: 'Start an execution of a flow, and wait for its end if asked to',
        params: Type.Object({ flow: Type.String() }),
        body: Body,
        response: answers,
      },
      ...hooks,
    },
    async ({ caller, params, body }, reply) =>
      start(execute, { ...params, ...toRequest(caller, body) }, body, reply),
  );
  app.post(
    '/executions',
    {
      schema: {
        tags: ['executions'],
        summary: 'Start an execution of steps that no flow holds, and wait for its end if asked to',
        body: AdHocBody,
        response: answers,
      },
      ...hooks,
    },
    async ({ caller, body }, reply) => {
      const definition = defineAdHoc(pickDefinition(body), caller.tenant);
      return start(execute, { flow: AD_HOC, definition, ...toRequest(caller, body) }, body, reply);
    },
  );
}

async function start(
  execute: AppDeps['execute'],
  request: ExecuteRequest,
  body: StartBody,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const wait = readWait(body);
  const id = await execute.start(request);
  const end = wait === null ? null : await execute.waitForEnd(id, wait, untilClosed(reply));
  if (end === null) return reply.code(202).send({ data: { id }, meta: {} });
  return reply.code(200).send({ data: end, meta: {} });
}

function toRequest({ tenant, user }: Caller, body: StartBody): Omit<ExecuteRequest, 'flow'> {
  const { id, priority, idempotencyKey } = body;
  return {
    tenant,
    user,
    id,
    input: body.input as Json | undefined,
    params: body.params as JsonObject | undefined,
    priority,
    idempotencyKey,
    timeout: readTimeout(body.timeout),
    options: pickOptions(body),
  };
}

function pickDefinition(body: Static<typeof AdHocBody>): object {
  const keys = Object.keys(DEFINITION) as (keyof typeof DEFINITION)[];
  return Object.fromEntries(keys.flatMap((key) => (body[key] === undefined ? [] : [[key, body[key]]])));
}

/** Undefined: none, so that nothing is made for it. */
function pickOptions({ step, reverse, output, retries, concurrency }: PlanOptions): PlanOptions | undefined {
  const given = { step, reverse: reverse || undefined, output, retries, concurrency };
  return Object.values(given).every((value) => value === undefined) ? undefined : given;
}

/** Milliseconds; undefined: the flow says. */
function readTimeout(given: string | number | undefined): number | undefined {
  if (given === undefined) return undefined;
  const timeout = parseDuration(given);
  if (timeout !== undefined) return timeout;
  throw refuse('timeout', `must be a duration: ${DURATION_FORM}`);
}

/** Milliseconds to wait; null: not at all. */
function readWait(body: { async?: boolean; wait?: string | number }): number | null {
  if (body.wait === undefined) return body.async === false ? DEFAULT_WAIT : null;
  if (body.async === true)
    throw refuse('wait', 'an asynchronous call does not wait; leave out async or wait');
  const wait = parseDuration(body.wait);
  if (wait !== undefined && wait <= LONGEST_WAIT) return wait;
  throw refuse('wait', `must be at most 5m, as ${DURATION_FORM}`);
}

function refuse(path: string, message: string): UmbelError {
  return new UmbelError('BODY_INVALID', { problems: [{ path, message }] });
}

/** Aborts when the connection is gone: nobody waits any more. */
function untilClosed(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  return gone.signal;
}
