// /subscriptions: where events are sent to. Called by app.ts.
import { Type } from 'typebox';
import { PATTERN } from '../../events/names.ts';
import type { Subscriptions } from '../../events/subscriptions.ts';
import type { App } from '../app.ts';
import { Errors } from '../schemas.ts';

const Names = Type.Array(Type.String({ pattern: PATTERN }), {
  minItems: 1,
  maxItems: 32,
  description: 'of events; flow.* is all that begin so',
});
const Id = Type.String({ pattern: '^[A-Za-z0-9_.-]{1,256}$' });
const Body = Type.Object(
  {
    id: Type.Optional(Id),
    names: Names,
    flow: Type.Optional(
      Type.String({ minLength: 1, maxLength: 256, description: 'events of this flow only' }),
    ),
    url: Type.String({ maxLength: 2048, description: 'where they are posted' }),
    secrets: Type.Array(Type.String({ minLength: 1, maxLength: 256 }), {
      minItems: 1,
      maxItems: 8,
      description: 'names of the secrets that sign',
    }),
  },
  { additionalProperties: false },
);
const Status = Type.Union(['pending', 'delivered', 'dead'].map((status) => Type.Literal(status)));
const Deliveries = Type.Object(
  {
    status: Type.Optional(Status),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 50 })),
  },
  { additionalProperties: false },
);
const Which = Type.Object({ subscription: Type.String() });
const WhichDelivery = Type.Object({ subscription: Type.String(), delivery: Type.String() });

const Done = Type.Object({ data: Type.Unknown(), meta: Type.Object({}) });
const describe = (summary: string) => ({
  tags: ['events'],
  summary,
  response: { 200: Done, 201: Done, 202: Done, '4xx': Errors, '5xx': Errors },
});

export function addSubscriptionRoutes(app: App, { subscriptions }: { subscriptions?: Subscriptions }): void {
  const books = () => {
    if (subscriptions === undefined) throw new Error('nothing stands behind subscriptions here');
    return subscriptions;
  };
  app.get('/subscriptions', { schema: describe('List subscriptions to events') }, async ({ caller }) => ({
    data: await books().list(caller.tenant),
    meta: {},
  }));
  app.post(
    '/subscriptions',
    { schema: { ...describe('Let events be posted to an address'), body: Body } },
    async ({ caller, body }, reply) =>
      reply.code(201).send({ data: await books().create(caller.tenant, body), meta: {} }),
  );
  app.delete(
    '/subscriptions/:subscription',
    { schema: { ...describe('End a subscription, with what was not sent yet'), params: Which } },
    async ({ caller, params }) => {
      await books().delete(caller.tenant, params.subscription);
      return { data: { id: params.subscription }, meta: {} };
    },
  );
  app.get(
    '/subscriptions/:subscription/deliveries',
    { schema: { ...describe('List what was sent, newest first'), params: Which, querystring: Deliveries } },
    async ({ caller: { tenant }, params: { subscription }, query: { status = null, limit = 50 } }) => ({
      data: await books().deliveries({ tenant, subscription, status, limit }),
      meta: {},
    }),
  );
  app.post(
    '/subscriptions/:subscription/deliveries/:delivery/retry',
    { schema: { ...describe('Send again what was given up'), params: WhichDelivery } },
    async ({ caller: { tenant }, params }, reply) => {
      await books().retry({ tenant, ...params });
      return reply.code(202).send({ data: { id: params.delivery }, meta: {} });
    },
  );
}
