// POST /flows/{flow}/executions: starts an execution, and waits for its end when asked to.
import type { FastifyReply } from 'fastify';
import { Type } from 'typebox';
import { DURATION_FORM, parseDuration } from '../../dag/duration.ts';
import type { Json, JsonObject } from '../../dag/vocabulary.ts';
import { UmbelError } from '../../errors.ts';
import type { App, AppDeps } from '../app.ts';
import { ignoreTypeOfEmptyBody } from '../json.ts';
import { Errors, START } from '../schemas.ts';

/** The rest of the column's 256 characters marks the id as one. */
const LONGEST_ID = 250;
const DEFAULT_WAIT = 30_000;
const LONGEST_WAIT = 300_000;
/** Options of an execution that this version does not know yet. */
const LATER = ['step', 'reverse', 'output', 'concurrency', 'retries'];

const Body = Type.Object(
  {
    id: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: LONGEST_ID,
        description: 'of the execution; the same request again gives the same execution, another one 409',
      }),
    ),
    ...START,
    timeout: Type.Optional(
      Type.Unsafe<string | number>({
        type: ['string', 'integer'],
        description: `how long it may take, in place of the deadline of the flow: ${DURATION_FORM}; 0 is no limit`,
      }),
    ),
    async: Type.Optional(Type.Boolean({ description: 'false: answer when it has ended; default true' })),
    wait: Type.Optional(
      Type.Unsafe<string | number>({
        type: ['string', 'integer'],
        description: `how long to wait for its end: ${DURATION_FORM}; at most 5m, 30s when async is false`,
      }),
    ),
  },
  { additionalProperties: false },
);

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

export function addExecuteRoute(app: App, { execute }: Pick<AppDeps, 'execute'>): void {
  app.post(
    '/flows/:flow/executions',
    {
      schema: {
        tags: ['executions'],
        summary: 'Start an execution of a flow, and wait for its end if asked to',
        params: Type.Object({ flow: Type.String() }),
        body: Body,
        response: { 200: Ended, 202: Started, '4xx': Errors, '5xx': Errors },
      },
      onRequest: (request, _reply, done) => {
        ignoreTypeOfEmptyBody(request);
        done();
      },
      preValidation: (request, _reply, done) => done(refuseLater(request.body)),
    },
    async ({ caller, params, body }, reply) => {
      const wait = readWait(body);
      const { id, priority, idempotencyKey } = body;
      const execution = await execute.start({
        flow: params.flow,
        tenant: caller.tenant,
        user: caller.user,
        id,
        input: body.input as Json | undefined,
        params: body.params as JsonObject | undefined,
        priority,
        idempotencyKey,
        timeout: readTimeout(body.timeout),
      });
      const end = wait === null ? null : await execute.waitForEnd(execution, wait, untilClosed(reply));
      if (end === null) return reply.code(202).send({ data: { id: execution }, meta: {} });
      return reply.code(200).send({ data: end, meta: {} });
    },
  );
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

function refuseLater(body: unknown): UmbelError | undefined {
  const keys = LATER.filter((key) => typeof body === 'object' && body !== null && Object.hasOwn(body, key));
  if (keys.length === 0) return undefined;
  const message = 'is not supported by this version; leave it out';
  return new UmbelError('BODY_INVALID', { problems: keys.map((path) => ({ path, message })) });
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
