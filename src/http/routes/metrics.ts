// GET /metrics: what this process counts, for Prometheus.
import type { App, AppDeps } from '../app.ts';

const NONE = { type: 'text/plain; version=0.0.4; charset=utf-8', text: '' };

export function addMetricsRoute(app: App, { readMetrics }: Pick<AppDeps, 'readMetrics'>): void {
  app.get(
    '/metrics',
    { schema: { tags: ['health'], summary: 'Metrics in the text form of Prometheus' } },
    async (_request, reply) => {
      const { type, text } = readMetrics === undefined ? NONE : await readMetrics();
      return reply.type(type).send(text);
    },
  );
}
