// /flows/{flow}: whole flows, and what can be read of them. Called by app.ts.
import { Type } from 'typebox';
import { Flow } from '../../registrar/definition/schema.ts';
import type { App, AppDeps } from '../app.ts';
import { Defined, describe, FAILED, Graph, judgeBodyLater, Steps, Versions } from './flow-schemas.ts';
import { addStepRoutes } from './steps.ts';

export function addFlowRoutes(app: App, { flows }: Pick<AppDeps, 'flows'>): void {
  app.put<{ Params: { flow: string }; Body: unknown }>(
    '/flows/:flow',
    {
      validatorCompiler: judgeBodyLater,
      schema: describe('Create or replace a flow', {
        body: Flow,
        response: { 200: Defined, 201: Defined, ...FAILED },
      }),
    },
    async ({ caller, params, body }, reply) => {
      const given = fillId(body, params.flow);
      const { flow, version, changes } = await flows.define({ ...caller, ...params }, given);
      return reply
        .code(changes.kind === 'created' ? 201 : 200)
        .send({ data: flow, meta: { version, changes } });
    },
  );
  app.delete<{ Params: { flow: string } }>(
    '/flows/:flow',
    {
      schema: describe('Delete a flow; its executions stay', {
        response: {
          200: Type.Object({ data: Type.Object({ id: Type.String() }), meta: Type.Object({}) }),
          ...FAILED,
        },
      }),
    },
    async ({ caller, params }) => {
      await flows.delete({ ...caller, ...params });
      return { data: { id: params.flow }, meta: {} };
    },
  );
  addReading(app, flows);
  addStepRoutes(app, flows);
}

function addReading(app: App, flows: AppDeps['flows']): void {
  app.get<{ Params: { flow: string } }>(
    '/flows/:flow/steps',
    { schema: describe('List the steps of a flow, in their order', { response: { 200: Steps, ...FAILED } }) },
    async ({ caller, params }) => {
      const { flow, version } = await flows.read({ ...caller, ...params });
      const { steps, ...head } = flow;
      return { data: steps, meta: { flow: head, version } };
    },
  );
  app.get<{ Params: { flow: string } }>(
    '/flows/:flow/graph',
    {
      schema: describe('Nodes, edges and topological levels of a flow', {
        response: { 200: Graph, ...FAILED },
      }),
    },
    async ({ caller, params }) => ({
      data: await flows.graph({ ...caller, ...params }),
      meta: {},
    }),
  );
  app.get<{ Params: { flow: string } }>(
    '/flows/:flow/versions',
    {
      schema: describe('Versions that a flow has had, newest first', {
        response: { 200: Versions, ...FAILED },
      }),
    },
    async ({ caller, params }) => ({
      data: await flows.versions({ ...caller, ...params }),
      meta: {},
    }),
  );
}

/** The path names the flow; the body need not. */
function fillId(body: unknown, id: string): unknown {
  return typeof body === 'object' && body !== null && !Array.isArray(body) ? { id, ...body } : body;
}
