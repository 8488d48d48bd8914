// POST /tasks/{token}/…: answers for a task from whoever works for it. The token is all the permission that is needed.
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { Json } from '../../dag/vocabulary.ts';
import type { App, AppDeps } from '../app.ts';
import { ignoreTypeOfEmptyBody } from '../json.ts';
import { Errors } from '../schemas.ts';

const Params = Type.Object({ token: Type.String({ minLength: 1, maxLength: 256 }) });
const Result = Type.Object(
  { result: Type.Optional(Type.Unknown({ description: 'any JSON: the result of the task' })) },
  { additionalProperties: false },
);
const Failure = Type.Object(
  {
    error: Type.Object(
      {
        name: Type.Optional(
          Type.String({ minLength: 1, maxLength: 200, description: 'what retry.on matches' }),
        ),
        message: Type.String({ maxLength: 4000 }),
        details: Type.Optional(Type.Unknown({ description: 'any JSON' })),
      },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);
const Nothing = Type.Object({}, { additionalProperties: false });
const Taken = Type.Object({
  data: Type.Object({
    state: Type.String({ enum: ['delivered', 'kept'], description: 'kept: until the program has ended' }),
  }),
  meta: Type.Object({}),
});

const tags = ['callbacks'];
const response = { 202: Taken, '4xx': Errors, '5xx': Errors };

/** A body is not always needed. */
const onRequest = (request: FastifyRequest, _reply: unknown, done: () => void) => {
  ignoreTypeOfEmptyBody(request);
  done();
};

export function addCallbackRoutes(app: App, { callbacks }: Pick<AppDeps, 'callbacks'>): void {
  const complete = { tags, summary: 'Give the result of a task', params: Params, body: Result, response };
  app.post('/tasks/:token/complete', { schema: complete, onRequest }, async ({ params, body }, reply) => {
    const { result = null } = body as { result?: Json };
    return reply.code(202).send({ data: await callbacks.complete(params.token, result), meta: {} });
  });
  const fail = { tags, summary: 'Say that a task failed', params: Params, body: Failure, response };
  app.post('/tasks/:token/fail', { schema: fail }, async ({ params, body }, reply) => {
    const { name = 'ProgramError', message, details } = body.error;
    const error = { name, message, ...(details === undefined ? {} : { details: details as Json }) };
    return reply.code(202).send({ data: await callbacks.fail(params.token, error), meta: {} });
  });
  const beat = {
    tags,
    summary: 'Say that a task is still being worked for',
    params: Params,
    body: Nothing,
    response: { 204: Type.Null(), '4xx': Errors, '5xx': Errors },
  };
  app.post('/tasks/:token/heartbeat', { schema: beat, onRequest }, async ({ params }, reply) => {
    await callbacks.beat(params.token);
    return reply.code(204).send(null);
  });
}
