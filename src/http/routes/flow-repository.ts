// /flows as Open Integration Hub has it: flows as graphs, listed, created, changed. Called by app.ts.
import { Type } from 'typebox';
import type { Written } from '../../registrar/repository/repository.ts';
import type { FlowView } from '../../registrar/repository/view.ts';
import { hookUrlOf } from '../../triggers/hook-url.ts';
import type { App, AppDeps } from '../app.ts';
import { describeFailure, listErrors } from '../errors.ts';
import { requirePermission } from '../permissions.ts';
import { UmbelError } from '../../errors.ts';
import {
  describeMany,
  FlowChanges,
  FlowGraph,
  FlowOrFlows,
  Graphs,
  OneFlow,
  FlowList,
  readPage,
  requireList,
  ListQuery,
} from './flow-repository-schemas.ts';
import { describe, FAILED, judgeBodyLater } from './flow-schemas.ts';

type Deps = Pick<AppDeps, 'flowRepository'>;
type Show = (flow: FlowView) => object;

export function addFlowRepositoryRoutes(app: App, deps: Deps & Pick<AppDeps, 'publicUrl'>): void {
  const show = makeShow(deps);
  addList(app, deps, show);
  addCreation(app, deps, show);
  addBulk(app, deps, show);
  addOne(app, deps, show);
}

/** With the address of its hook, when it is one that has no cron: it can be told to others before the flow is started. */
function makeShow({ publicUrl }: Pick<AppDeps, 'publicUrl'>): Show {
  return (flow) =>
    publicUrl === undefined || flow.cron !== undefined
      ? flow
      : { ...flow, hookUrl: hookUrlOf(publicUrl(), flow.id) };
}

function addList(app: App, { flowRepository }: Deps, show: Show): void {
  const schema = {
    ...describeMany('List flows', { response: { 200: FlowList, ...FAILED } }),
    querystring: ListQuery,
  };
  app.get('/flows', { schema }, async ({ caller, query }) => {
    const { page, size, request } = readPage(query);
    const { flows, total } = await flowRepository.list(caller, request);
    const totalPages = Math.ceil(total / size);
    return { data: flows.map(show), meta: { total, page, perPage: size, totalPages } };
  });
}

function addCreation(app: App, { flowRepository }: Deps, show: Show): void {
  const response = { 201: Type.Union([OneFlow, Graphs]), ...FAILED };
  const schema = describeMany('Create a flow from a graph, or several from a list of them', {
    body: FlowOrFlows,
    response,
  });
  app.post<{ Body: unknown }>(
    '/flows',
    { schema, validatorCompiler: judgeBodyLater },
    async (request, reply) => {
      const { caller, body } = request;
      if (!Array.isArray(body))
        return reply.code(201).send(answerOne(await flowRepository.create(caller, body), show));
      requirePermission(caller, 'flows.bulk');
      const data = await each(body, request, show, (flow) => flowRepository.create(caller, flow));
      return reply.code(201).send({ data, meta: {} });
    },
  );
}

function addBulk(app: App, { flowRepository }: Deps, show: Show): void {
  const schema = describeMany('Change several flows, each named by its id', {
    body: FlowChanges,
    response: { 200: Graphs, ...FAILED },
  });
  app.patch<{ Body: unknown }>(
    '/flows/bulk',
    { schema, validatorCompiler: judgeBodyLater },
    async (request) => {
      const list = requireList(request.body);
      const data = await each(list, request, show, (change) => {
        const id = idOf(change);
        if (id !== undefined) return flowRepository.patch(request.caller, id, change);
        throw new UmbelError('FLOW_INVALID', { problems: [{ path: 'id', message: 'is required' }] });
      });
      return { data, meta: {} };
    },
  );
}

function addOne(app: App, { flowRepository }: Deps, show: Show): void {
  const response = { 200: OneFlow, ...FAILED };
  app.get<{ Params: { flow: string } }>(
    '/flows/:flow',
    { schema: describe('Show a flow as a graph', { response }) },
    async ({ caller, params }) => ({
      data: show(await flowRepository.read(caller, params.flow)),
      meta: {},
    }),
  );
  app.patch<{ Params: { flow: string }; Body: unknown }>(
    '/flows/:flow',
    {
      schema: describe('Change some keys of an inactive flow', { body: FlowGraph, response }),
      validatorCompiler: judgeBodyLater,
    },
    async ({ caller, params, body }) =>
      answerOne(await flowRepository.patch(caller, params.flow, body), show),
  );
}

function answerOne({ flow, warnings }: Written, show: Show): object {
  return { data: show(flow), meta: warnings.length === 0 ? {} : { warnings } };
}

/** One after the other, each with its own success or errors; only a database that does not answer fails them all. */
async function each(
  items: unknown[],
  request: Parameters<typeof describeFailure>[1],
  show: Show,
  write: (item: unknown) => Promise<Written>,
): Promise<object[]> {
  const answers: object[] = [];
  for (const item of items) {
    try {
      answers.push(show((await write(item)).flow));
    } catch (error) {
      const failure = describeFailure(error, request);
      if (failure.status >= 500) throw error;
      const id = idOf(item);
      answers.push({ ...(id === undefined ? {} : { id }), errors: listErrors(failure) });
    }
  }
  return answers;
}

function idOf(item: unknown): string | undefined {
  const { id } = (typeof item === 'object' && item !== null ? item : {}) as { id?: unknown };
  return typeof id === 'string' ? id : undefined;
}
