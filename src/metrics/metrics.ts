// The metrics of a process: one registry, with what Node itself tells (memory, event-loop delay, garbage collection). Made by cmd/.
import { collectDefaultMetrics, Registry } from 'prom-client';
import { addMetric } from './metric.ts';

export interface Metrics {
  registry: Registry;
  /** Everything in Prometheus's text form. */
  read: () => Promise<{ type: string; text: string }>;
}

export function makeMetrics(release: string): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 10 });
  addMetric(registry, {
    name: 'umbel_build_info',
    help: "Always 1; the label is Umbel's version.",
    type: 'gauge',
    read: () => [{ labels: { version: release }, value: 1 }],
  });
  return {
    registry,
    read: async () => ({ type: registry.contentType, text: await registry.metrics() }),
  };
}
