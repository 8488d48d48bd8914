// GET …/logs: what programs logged, of a task as it comes, and of a step over all executions of its flow.
import type { FastifyReply } from 'fastify';
import { Type } from 'typebox';
import { DURATION_FORM, parseDuration } from '../../dag/duration.ts';
import { UmbelError } from '../../errors.ts';
import { LOG_LEVELS, type TaskLogRequest } from '../../registrar/logs.ts';
import type { App, AppDeps } from '../app.ts';
import { Errors } from '../schemas.ts';

const LONGEST_WAIT = 30_000;

const PAGE = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 50 })),
  cursor: Type.Optional(Type.String({ maxLength: 2048 })),
};
const TaskQuery = Type.Object(
  {
    ...PAGE,
    level: Type.Optional(
      Type.Unsafe<TaskLogRequest['level']>({
        type: 'string',
        enum: LOG_LEVELS,
        description: 'lines of this level and of worse ones',
      }),
    ),
    wait: Type.Optional(
      Type.String({
        description: `how long to wait for a line when there is none: ${DURATION_FORM}; at most 30s`,
      }),
    ),
  },
  { additionalProperties: false },
);
const StepQuery = Type.Object(PAGE, { additionalProperties: false });

const Line = Type.Object({
  time: Type.String({ description: 'ISO 8601' }),
  level: Type.String({ enum: [...LOG_LEVELS] }),
  attempt: Type.Integer(),
  message: Type.String(),
  fields: Type.Unknown(),
});
const TaskPage = Type.Object({
  data: Type.Array(Line),
  meta: Type.Object({
    cursor: Type.Optional(Type.String({ description: 'where to go on, now or later' })),
    done: Type.Boolean({ description: 'the task has ended, and no line is left' }),
  }),
});
const StepPage = Type.Object({
  data: Type.Array(Type.Object({ timestamp: Type.String(), message: Type.String() })),
  meta: Type.Object({
    cursor: Type.Optional(Type.String({ description: 'of the next page; not there on the last' })),
  }),
});
const failures = { '4xx': Errors, '5xx': Errors };

export function addLogRoutes(app: App, { logs }: Pick<AppDeps, 'logs'>): void {
  app.get(
    '/executions/:id/tasks/:step/logs',
    {
      schema: {
        tags: ['executions'],
        summary: 'Read what a task logged, or wait for it',
        params: Type.Object({ id: Type.String(), step: Type.String() }),
        querystring: TaskQuery,
        response: { 200: TaskPage, ...failures },
      },
    },
    async ({ caller, params, query }, reply) => {
      const { wait, ...page } = query;
      const request = { tenant: caller.tenant, ...params, ...page };
      const { data, ...meta } = await logs.readTask(request, readWait(wait), untilClosed(reply));
      return { data, meta };
    },
  );
  app.get(
    '/flows/:flow/steps/:step/logs',
    {
      schema: {
        tags: ['flows'],
        summary: 'Read what a step logged, in all executions of its flow, the newest first',
        params: Type.Object({ flow: Type.String(), step: Type.String() }),
        querystring: StepQuery,
        response: { 200: StepPage, ...failures },
      },
    },
    async ({ caller, params, query }) => {
      const { data, ...meta } = await logs.readStep({ tenant: caller.tenant, ...params, ...query });
      return { data, meta };
    },
  );
}

function readWait(text: string | undefined): number {
  if (text === undefined) return 0;
  const wait = parseDuration(text);
  if (wait !== undefined && wait <= LONGEST_WAIT) return wait;
  const message = `must be at most 30s, as ${DURATION_FORM}`;
  throw new UmbelError('QUERY_INVALID', { problems: [{ path: 'wait', message }] });
}

/** Aborts when the connection is gone: nobody waits any more. */
function untilClosed(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  return gone.signal;
}
