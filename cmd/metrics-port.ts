// Metrics of processes that serve nothing else, at METRICS_PORT. Called by watch.ts and schedule.ts.
import type { Metrics } from '../src/metrics/metrics.ts';
import type { MetricsServer } from '../src/metrics/serve.ts';
import type { Base } from './service.ts';

/** Undefined when nobody wants them; what they need is loaded only then. */
export async function openMetrics(base: Base): Promise<Metrics | undefined> {
  if (base.settings.metricsPort === undefined) return undefined;
  const { makeOwnMetrics } = await import('./counting.ts');
  return makeOwnMetrics(base);
}

/** To be called once everything that is counted has been added. */
export async function serveOwnMetrics(
  { settings: { host, metricsPort: port }, log }: Base,
  metrics: Metrics | undefined,
): Promise<MetricsServer | undefined> {
  if (metrics === undefined || port === undefined) return undefined;
  const { serveMetrics } = await import('../src/metrics/serve.ts');
  const server = await serveMetrics(metrics, { host, port });
  log.info({ address: server.address }, 'serving metrics');
  return server;
}
