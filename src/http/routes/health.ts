// GET /healthz: the process is alive. GET /readyz: it can serve.
import { Type } from 'typebox';
import type { App, AppDeps } from '../app.ts';

const Alive = Type.Object({ status: Type.Literal('ok') });
const Unready = Type.Object({ status: Type.Literal('unavailable'), reason: Type.String() });

export function addHealthRoutes(app: App, { findUnreadiness }: Pick<AppDeps, 'findUnreadiness'>): void {
  app.get(
    '/healthz',
    { schema: { tags: ['health'], summary: 'Whether the process is alive', response: { 200: Alive } } },
    () => ({ status: 'ok' as const }),
  );
  app.get(
    '/readyz',
    {
      schema: {
        tags: ['health'],
        summary: 'Whether requests can be served: the database answers and its schema is current',
        response: { 200: Alive, 503: Unready },
      },
    },
    async (_request, reply) => {
      const reason = await findUnreadiness();
      if (reason === null) return { status: 'ok' as const };
      return reply.code(503).header('retry-after', '2').send({ status: 'unavailable', reason });
    },
  );
}
