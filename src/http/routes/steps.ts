// /flows/{flow}/steps: single steps. Added by flows.ts.
import { Step } from '../../registrar/definition/schema.ts';
import type { App, AppDeps } from '../app.ts';
import { Deleted, describe, Detach, FAILED, judgeBodyLater, StepPath, Warned } from './flow-schemas.ts';

export function addStepRoutes(app: App, flows: AppDeps['flows']): void {
  app.post<{ Params: { flow: string }; Body: unknown }>(
    '/flows/:flow/steps',
    {
      validatorCompiler: judgeBodyLater,
      schema: describe('Put a step at the end of a flow', {
        body: Step,
        response: { 201: Warned, ...FAILED },
      }),
    },
    async ({ caller, params, body }, reply) => {
      const { step, warnings } = await flows.createStep({ ...caller, ...params }, body);
      return reply.code(201).send({ data: step, meta: { warnings } });
    },
  );
  app.put<{ Params: { flow: string; step: string }; Body: unknown }>(
    '/flows/:flow/steps/:step',
    {
      validatorCompiler: judgeBodyLater,
      schema: describe('Replace a step; under a new id, references follow', {
        params: StepPath,
        body: Step,
        response: { 200: Warned, ...FAILED },
      }),
    },
    async ({ caller, params, body }) => {
      const { step, warnings } = await flows.replaceStep({ ...caller, ...params }, body);
      return { data: step, meta: { warnings } };
    },
  );
  addDeletion(app, flows);
}

function addDeletion(app: App, flows: AppDeps['flows']): void {
  app.delete<{ Params: { flow: string; step: string }; Querystring: { detach?: string } }>(
    '/flows/:flow/steps/:step',
    {
      schema: describe('Delete a step', {
        params: StepPath,
        querystring: Detach,
        response: { 204: Deleted, ...FAILED },
      }),
    },
    async ({ caller, params, query }, reply) => {
      const detach = query.detach === '1';
      await flows.deleteStep({ ...caller, ...params, detach });
      return reply.code(204).send(null);
    },
  );
}
