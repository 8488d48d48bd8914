// POST below /executions: pause, resume, abort, signals, rerun, skip. They take effect in the database at once, in watchers within a second.
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { Json, JsonObject } from '../../dag/vocabulary.ts';
import type { App, AppDeps } from '../app.ts';
import { ignoreTypeOfEmptyBody } from '../json.ts';
import { Errors } from '../schemas.ts';
import { STATUSES } from './executions.ts';

const Nothing = Type.Object({}, { additionalProperties: false });
const Input = Type.Object(
  {
    input: Type.Optional(Type.Unknown({ description: 'any JSON, for the one task that waits for a signal' })),
  },
  { additionalProperties: false },
);
const Signal = Type.Object(
  {
    value: Type.Optional(Type.Unknown({ description: 'any JSON; of an approval true or false' })),
    comment: Type.Optional(Type.String({ maxLength: 4096 })),
  },
  { additionalProperties: false },
);
const Params = Type.Optional(
  Type.Record(Type.String(), Type.Unknown(), { description: 'replaces parameters of the tasks, by key' }),
);
const Rerun = Type.Object(
  {
    params: Params,
    downstream: Type.Optional(Type.Boolean({ description: 'do again what comes after it, too' })),
  },
  { additionalProperties: false },
);
const Time = Type.String({
  pattern: String.raw`^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$`,
});
const Bulk = Type.Object(
  {
    filter: Type.Object(
      {
        flow: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
        status: Type.Optional(Type.String({ enum: STATUSES })),
        since: Type.Optional(Time),
        until: Type.Optional(Time),
      },
      { additionalProperties: false },
    ),
    from: Type.String({
      minLength: 1,
      maxLength: 256,
      description: '"failed": what stands failed; else a step: that one and what comes after it',
    }),
    params: Params,
    dryRun: Type.Optional(Type.Boolean()),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    cursor: Type.Optional(Type.String({ maxLength: 2048 })),
  },
  { additionalProperties: false },
);

const Controlled = Type.Object({
  data: Type.Object({ id: Type.String(), status: Type.String({ enum: STATUSES }) }),
  meta: Type.Object({}),
});
const Reran = Type.Object({
  data: Type.Array(Type.Object({ id: Type.String(), tasks: Type.Integer() })),
  meta: Type.Object({ cursor: Type.Optional(Type.String()), dryRun: Type.Boolean() }),
});
const tags = ['control'];
const answers = { 202: Controlled, '4xx': Errors, '5xx': Errors };
const Execution = Type.Object({ id: Type.String() });
const Named = Type.Object({ id: Type.String(), name: Type.String({ minLength: 1, maxLength: 256 }) });
const Task = Type.Object({ id: Type.String(), step: Type.String() });

/** A body is never needed. */
const onRequest = (request: FastifyRequest, _reply: unknown, done: () => void) => {
  ignoreTypeOfEmptyBody(request);
  done();
};

const VERBS = {
  pause: 'Let no task of an execution begin; running ones end',
  resume: 'Let an execution go on: paused, failed, aborted, or waiting for input',
  abort: 'Stop an execution and what it started, for good',
} as const;

type Deps = Pick<AppDeps, 'control' | 'rerunMany'>;

export function addControlRoutes(app: App, { control, rerunMany }: Deps): void {
  for (const verb of ['pause', 'abort'] as const) {
    const schema = { tags, summary: VERBS[verb], params: Execution, body: Nothing, response: answers };
    app.post(`/executions/:id/${verb}`, { schema, onRequest }, async ({ caller, params }, reply) => {
      const data = await control[verb]({ tenant: caller.tenant, ...params });
      return reply.code(202).send({ data, meta: {} });
    });
  }
  addWaitingRoutes(app, control);
  addTaskRoutes(app, control);
  addBulkRoute(app, rerunMany);
}

/** What gives waiting tasks something to go on with. */
function addWaitingRoutes(app: App, control: Deps['control']): void {
  const resume = { tags, summary: VERBS.resume, params: Execution, body: Input, response: answers };
  app.post('/executions/:id/resume', { schema: resume, onRequest }, async (request, reply) => {
    const { caller, params, body } = request;
    const { tenant, user: by } = caller;
    const input = body.input as Json | undefined;
    const data = await control.resume({ tenant, ...params, ...(input === undefined ? {} : { input, by }) });
    return reply.code(202).send({ data, meta: {} });
  });
  const signal = { tags, summary: 'Send a signal', params: Named, body: Signal, response: answers };
  app.post('/executions/:id/signals/:name', { schema: signal, onRequest }, async (request, reply) => {
    const { caller, params, body } = request;
    const { tenant, user: by } = caller;
    const { value = null, comment } = body as { value?: Json; comment?: string };
    const data = await control.signal({ tenant, ...params, value, comment, by });
    return reply.code(202).send({ data, meta: {} });
  });
}

function addTaskRoutes(app: App, control: Deps['control']): void {
  const rerun = { tags, summary: 'Run a task again', params: Task, body: Rerun, response: answers };
  app.post('/executions/:id/tasks/:step/rerun', { schema: rerun, onRequest }, async (request, reply) => {
    const { caller, params, body } = request;
    const edited = body.params as JsonObject | undefined;
    const { downstream } = body;
    const data = await control.rerun({ tenant: caller.tenant, ...params, params: edited, downstream });
    return reply.code(202).send({ data, meta: {} });
  });
  const skip = { tags, summary: 'Do without a task', params: Task, body: Nothing, response: answers };
  app.post('/executions/:id/tasks/:step/skip', { schema: skip, onRequest }, async (request, reply) => {
    const { caller, params } = request;
    const data = await control.skip({ tenant: caller.tenant, ...params });
    return reply.code(202).send({ data, meta: {} });
  });
}

function addBulkRoute(app: App, rerunMany: Deps['rerunMany']): void {
  const response = { 200: Reran, 202: Reran, '4xx': Errors, '5xx': Errors };
  const schema = { tags, summary: 'Rerun many executions', body: Bulk, response };
  app.post('/executions/rerun', { schema }, async ({ caller, body }, reply) => {
    const { dryRun = false } = body;
    const request = { ...body, params: body.params as JsonObject | undefined, tenant: caller.tenant };
    const { executions, ...meta } = await rerunMany(request);
    return reply.code(dryRun ? 200 : 202).send({ data: executions, meta: { ...meta, dryRun } });
  });
}
