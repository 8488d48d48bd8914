// /flows/{flow}/schedule: when a flow starts by itself, pause and resume. Called by app.ts.
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { App, AppDeps } from '../app.ts';
import { ignoreTypeOfEmptyBody } from '../json.ts';
import { Errors } from '../schemas.ts';

const Time = Type.String({ description: 'ISO 8601' });
const OptionalTime = Type.Union([Time, Type.Null()]);
const Text = Type.Union([Type.String(), Type.Null()]);

const View = Type.Object({
  flow: Type.String(),
  status: Type.String({ description: 'of the flow; it fires while that is active' }),
  cron: Type.String(),
  timezone: Type.String(),
  description: Type.String({ description: 'the expression in words' }),
  dueExecution: OptionalTime,
  paused: Type.Boolean(),
  policy: Type.Object({
    misfire: Type.String(),
    overlap: Type.String(),
    catchUpWindow: Type.Integer({ description: 'milliseconds' }),
    jitter: Type.Integer({ description: 'milliseconds' }),
  }),
  next: Type.Array(
    Type.Object({
      scheduledAt: Time,
      localTime: Type.String({ description: 'the same in the time zone of the schedule' }),
      dueAt: Type.String({ description: 'when it fires, jitter included' }),
    }),
  ),
  decisions: Type.Array(
    Type.Object({
      scheduledAt: Time,
      through: OptionalTime,
      decision: Type.String({ enum: ['fired', 'queued', 'skipped', 'missed', 'cancelled', 'failed'] }),
      reason: Text,
      executionId: Text,
      decidedAt: Time,
    }),
    { description: 'what became of its times, newest first' },
  ),
});
const Paused = Type.Object({ id: Type.String(), paused: Type.Boolean() });
const Meta = Type.Object({});
const Nothing = Type.Object({}, { additionalProperties: false });
const Which = Type.Object({ flow: Type.String() });
const Next = Type.Object(
  {
    next: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 1000, default: 10, description: 'so many of the next fires' }),
    ),
  },
  { additionalProperties: false },
);
const tags = ['schedules'];
const failed = { '4xx': Errors, '5xx': Errors };

const SUMMARIES = {
  pause: 'Let a schedule fire no more until it is resumed',
  resume: 'Let a paused schedule go on with its next time',
} as const;

/** A body is never needed. */
const onRequest = (request: FastifyRequest, _reply: unknown, done: () => void) => {
  ignoreTypeOfEmptyBody(request);
  done();
};

export function addScheduleRoutes(app: App, { schedules }: Pick<AppDeps, 'schedules'>): void {
  const schema = {
    tags,
    summary: 'When a flow starts by itself, and what became of its times',
    params: Which,
    querystring: Next,
    response: { 200: Type.Object({ data: View, meta: Meta }), ...failed },
  };
  app.get('/flows/:flow/schedule', { schema }, async ({ caller, params, query }) => ({
    data: await schedules.read({ tenant: caller.tenant, ...params }, query.next ?? 10),
    meta: {},
  }));
  for (const verb of ['pause', 'resume'] as const) {
    const response = { 200: Type.Object({ data: Paused, meta: Meta }), ...failed };
    const schema = { tags, summary: SUMMARIES[verb], params: Which, body: Nothing, response };
    app.post(`/flows/:flow/schedule/${verb}`, { schema, onRequest }, async ({ caller, params }) => ({
      data: await schedules[verb]({ tenant: caller.tenant, ...params }),
      meta: {},
    }));
  }
}
