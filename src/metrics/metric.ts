// Metrics whose values are plain numbers where they are counted, and take Prometheus's form only when somebody asks: prom-client's own
// would hash their labels at every observation. Used by the other files of this folder.
import type { Metric, Registry } from 'prom-client';

export interface Sample {
  labels: Record<string, string>;
  value: number;
  /** When it is not the metric's own. */
  metricName?: string;
}

export interface MetricOptions {
  name: string;
  help: string;
  type: 'counter' | 'gauge' | 'histogram';
  read: () => Sample[] | Promise<Sample[]>;
}

export function addMetric(registry: Registry, { name, help, type, read }: MetricOptions): void {
  const get = async () => ({ name, help, type, aggregator: 'sum', values: await read() });
  // All that a registry uses of a metric.
  const metric = { name, help, get, reset: () => undefined } as unknown;
  registry.registerMetric(metric as Metric);
}

/** A gauge without labels. */
export function addGauge(registry: Registry, name: string, help: string, read: () => number): void {
  addMetric(registry, { name, help, type: 'gauge', read: () => [{ labels: {}, value: read() }] });
}

/** A counter without labels. */
export function addCounter(registry: Registry, name: string, help: string, read: () => number): void {
  addMetric(registry, { name, help, type: 'counter', read: () => [{ labels: {}, value: read() }] });
}
