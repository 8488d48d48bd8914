// The metrics of a process: one registry, with what Node itself tells (memory, event-loop delay, garbage collection). Made by cmd/.
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';

export interface Metrics {
  registry: Registry;
  /** Everything in Prometheus's text form. */
  read: () => Promise<{ type: string; text: string }>;
}

export function makeMetrics(release: string): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 10 });
  new Gauge({
    name: 'umbel_build_info',
    help: "Always 1; the label is Umbel's version.",
    labelNames: ['version'],
    registers: [registry],
  }).set({ version: release }, 1);
  return {
    registry,
    read: async () => ({ type: registry.contentType, text: await registry.metrics() }),
  };
}

/** A gauge that is read when somebody asks. */
export function addGauge(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}
