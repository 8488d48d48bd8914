// /components: what nodes name besides programs. Called by app.ts.
import { Type } from 'typebox';
import { ComponentShape } from '../../registrar/components/schema.ts';
import type { App, AppDeps } from '../app.ts';
import { ignoreTypeOfEmptyBody } from '../json.ts';
import { Errors } from '../schemas.ts';
import { judgeBodyLater } from './flow-schemas.ts';

type Deps = Pick<AppDeps, 'components'>;

const AnyObject = Type.Unsafe<object>({ type: 'object', additionalProperties: true });
const One = Type.Object({ data: AnyObject, meta: Type.Object({}) });
const List = Type.Object({ data: Type.Array(AnyObject), meta: Type.Object({ total: Type.Integer() }) });
const FAILED = { '4xx': Errors, '5xx': Errors };
const Which = Type.Object({ component: Type.String() });
const tags = ['components'];

interface Path {
  Params: { component: string };
}

export function addComponentRoutes(app: App, { components }: Deps): void {
  app.get(
    '/components',
    { schema: { tags, summary: 'List components', response: { 200: List, ...FAILED } } },
    async ({ caller }) => {
      const data = await components.list(caller);
      return { data, meta: { total: data.length } };
    },
  );
  app.post<{ Body: unknown }>(
    '/components',
    {
      validatorCompiler: judgeBodyLater,
      schema: {
        tags,
        summary: 'Create a component',
        body: ComponentShape,
        response: { 201: One, ...FAILED },
      },
    },
    async ({ caller, body }, reply) =>
      reply.code(201).send({ data: await components.create(caller, body), meta: {} }),
  );
  addOne(app, components);
  addControl(app, components);
}

function addOne(app: App, components: Deps['components']): void {
  const describe = (summary: string, rest: object = {}) => ({
    tags,
    summary,
    params: Which,
    response: { 200: One, ...FAILED },
    ...rest,
  });
  app.get<Path>(
    '/components/:component',
    { schema: describe('Show a component') },
    async ({ caller, params }) => ({ data: await components.read(caller, params.component), meta: {} }),
  );
  app.patch<Path & { Body: unknown }>(
    '/components/:component',
    {
      validatorCompiler: judgeBodyLater,
      schema: describe('Change some keys of a component', { body: Type.Partial(ComponentShape) }),
    },
    async ({ caller, params, body }) => ({
      data: await components.patch(caller, params.component, body),
      meta: {},
    }),
  );
  app.delete<Path>(
    '/components/:component',
    { schema: describe('Delete a component') },
    async ({ caller, params }) => {
      await components.delete(caller, params.component);
      return { data: { id: params.component }, meta: {} };
    },
  );
}

function addControl(app: App, components: Deps['components']): void {
  for (const verb of ['start', 'stop'] as const) {
    const summary = `${verb === 'start' ? 'Start' : 'Stop'} a global component`;
    app.post<Path>(
      `/components/global/:component/${verb}`,
      {
        schema: { tags, summary, params: Which, response: { 200: One, ...FAILED } },
        onRequest: (request, _reply, done) => {
          ignoreTypeOfEmptyBody(request);
          done();
        },
      },
      async ({ caller, params }) => ({ data: await components[verb](caller, params.component), meta: {} }),
    );
  }
}
