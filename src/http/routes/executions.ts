// GET /executions, /executions/{id} and the result of a task: what became of what was registered.
import { Type } from 'typebox';
import type { App, AppDeps } from '../app.ts';
import { Errors } from '../schemas.ts';

export const STATUSES = [
  'pending',
  'running',
  'waiting',
  'paused',
  'stopped',
  'success',
  'failed',
  'aborted',
  'compensating',
  'compensation_failed',
];

// Lists of types and not unions: those are serialized by trying one after the other.
const NullableText = Type.Unsafe<string | null>({ type: ['string', 'null'] });
const Time = Type.Unsafe<string | null>({ type: ['string', 'null'], description: 'ISO 8601' });
const AnyJson = Type.Unknown();

const EXECUTION = {
  id: Type.String(),
  flow: Type.String(),
  version: NullableText,
  status: Type.String({ enum: STATUSES }),
  input: AnyJson,
  output: AnyJson,
  error: AnyJson,
  trigger: AnyJson,
  tenant: Type.String(),
  parent: NullableText,
  registeredAt: Time,
  startedAt: Time,
  finishedAt: Time,
  deadline: Time,
};

const Task = Type.Object({
  seq: Type.Number(),
  step: NullableText,
  program: NullableText,
  status: Type.String({ enum: ['wait', 'running', 'suspend', 'finish', 'ignore', 'unknown'] }),
  execStatus: Type.Integer({ enum: [0, 1, 2, 3, 9] }),
  reason: NullableText,
  attempt: Type.Integer(),
  priority: Type.Integer(),
  pool: Type.String(),
  params: AnyJson,
  input: AnyJson,
  output: AnyJson,
  error: AnyJson,
  why: Type.Unsafe<string | null>({ type: ['string', 'null'], description: 'why it does not run' }),
  registeredAt: Time,
  startedAt: Time,
  finishedAt: Time,
  suspendedAt: Time,
  callbackToken: Type.Optional(
    Type.String({ description: 'with it somebody else answers for the task, below /tasks' }),
  ),
});

const List = Type.Object({
  data: Type.Array(Type.Object(EXECUTION)),
  meta: Type.Object({
    cursor: Type.Optional(Type.String({ description: 'of the next page; not there on the last' })),
  }),
});
const One = Type.Object({ data: Type.Object({ ...EXECUTION, tasks: Type.Array(Task) }) });

const Query = Type.Object(
  {
    flow: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
    status: Type.Optional(Type.String({ enum: STATUSES })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 50 })),
    cursor: Type.Optional(Type.String({ maxLength: 2048 })),
  },
  { additionalProperties: false },
);

type Deps = Pick<AppDeps, 'executions' | 'readResult'>;

export function addExecutionRoutes(app: App, { executions, readResult }: Deps): void {
  addResultRoute(app, readResult);
  app.get(
    '/executions',
    {
      schema: {
        tags: ['executions'],
        summary: 'List executions, newest first',
        querystring: Query,
        response: { 200: List, '4xx': Errors, '5xx': Errors },
      },
    },
    async ({ caller, query }) => {
      const { data, ...meta } = await executions.list({ tenant: caller.tenant, ...query });
      return { data, meta };
    },
  );
  app.get(
    '/executions/:id',
    {
      schema: {
        tags: ['executions'],
        summary: 'Read an execution with its tasks',
        params: Type.Object({ id: Type.String() }),
        response: { 200: One, '4xx': Errors, '5xx': Errors },
      },
    },
    async ({ caller, params }) => ({ data: await executions.read({ tenant: caller.tenant, id: params.id }) }),
  );
}

function addResultRoute(app: App, readResult: Deps['readResult']): void {
  app.get(
    '/executions/:id/tasks/:step/result',
    {
      schema: {
        tags: ['executions'],
        summary: 'Read the result of a task',
        params: Type.Object({ id: Type.String(), step: Type.String() }),
        response: {
          200: Type.Object({ data: AnyJson, meta: Type.Object({}) }),
          '4xx': Errors,
          '5xx': Errors,
        },
      },
    },
    async ({ caller, params }) => ({
      data: await readResult({ tenant: caller.tenant, ...params }),
      meta: {},
    }),
  );
}
