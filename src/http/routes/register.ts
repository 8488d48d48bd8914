// POST /register/{task_id}: starts an execution. Its answers keep Flower's form.
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { Json, JsonObject } from '../../dag/vocabulary.ts';
import { UmbelError } from '../../errors.ts';
import type { App, AppDeps } from '../app.ts';
import { describeFailure, listErrors, logFailure, startReply } from '../errors.ts';
import { ignoreTypeOfEmptyBody } from '../json.ts';
import { ErrorItems, START } from '../schemas.ts';

const Body = Type.Object(START, { additionalProperties: false });

const Succeeded = Type.Object({
  status: Type.Literal('succeeded'),
  taskId: Type.String(),
  taskFlowId: Type.String({ description: 'the id of the execution' }),
});

const Failed = Type.Object({
  status: Type.Literal('failed'),
  taskId: Type.String(),
  description: Type.String(),
  errors: Type.Optional(ErrorItems),
});

const SCHEMA = {
  tags: ['executions'],
  summary: 'Start an execution of a flow',
  description: 'The body is optional. The task id is percent-decoded and may hold slashes.',
  body: Body,
  response: { 200: Succeeded, '4xx': Failed, '5xx': Failed },
};

const LONGEST_ID = 256;

export function addRegisterRoute(app: App, { register, log }: Pick<AppDeps, 'register' | 'log'>): void {
  app.post(
    '/register/*',
    {
      schema: SCHEMA,
      onRequest: (request, _reply, done) => {
        ignoreTypeOfEmptyBody(request);
        done();
      },
      errorHandler: (error, request, reply) => {
        const failure = describeFailure(error, request);
        logFailure(log, error, failure, request);
        const { message: description, problems } = failure;
        const errors = problems.length === 0 ? {} : { errors: listErrors(failure) };
        startReply(reply, failure).send({
          status: 'failed',
          taskId: readTaskId(request),
          description,
          ...errors,
        });
      },
    },
    async (request) => {
      const taskId = checkTaskId(readTaskId(request));
      const { caller, body } = request;
      const { id } = await register({
        flow: taskId,
        tenant: caller.tenant,
        trigger: { kind: 'register', user: caller.user },
        input: body.input as Json | undefined,
        params: body.params as JsonObject | undefined,
        priority: body.priority,
        idempotencyKey: body.idempotencyKey,
      });
      return { status: 'succeeded' as const, taskId, taskFlowId: id };
    },
  );
}

/** What follows `/register/`, decoded, without one trailing slash; an encoded one (`%2F`) belongs to the id. */
function readTaskId({ params, url }: FastifyRequest): string {
  const id = (params as { '*': string })['*'];
  const end = url.search(/[?#]/);
  return url[(end === -1 ? url.length : end) - 1] === '/' ? id.slice(0, -1) : id;
}

/** Ids that no row can have are not looked for. */
function checkTaskId(id: string): string {
  if (id === '' || countCharacters(id) > LONGEST_ID) {
    throw new UmbelError('FLOW_NOT_FOUND', { flow: id });
  }
  return id;
}

/** As Postgres counts them: a surrogate pair is one. */
function countCharacters(text: string): number {
  return text.length <= LONGEST_ID ? text.length : Array.from(text).length;
}
