// What the register server tells: its requests by route, and what was registered.
import type { Registry } from 'prom-client';
import { addHistogram, type Series } from './histogram.ts';
import { addMetric } from './metric.ts';

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

/** `route` is the pattern, not the path. */
export type ObserveRequest = (method: string, route: string, status: number, ms: number) => void;

export function addRequestMetrics(registry: Registry): ObserveRequest {
  const series = new Map<string, Series>();
  const add = addHistogram(registry, {
    name: 'umbel_http_request_duration_seconds',
    help: 'Time from a request to its answer.',
    buckets: SECONDS,
  });
  return (method, route, status, ms) => {
    const key = `${method} ${route} ${status}`;
    let one = series.get(key);
    if (!one) series.set(key, (one = add({ method, route, status: String(status) })));
    one.observe(ms / 1000);
  };
}

/** Counts what a register function answers. */
export function countRegistrations<A extends unknown[], R extends { outcome: string }>(
  registry: Registry,
  register: (...args: A) => Promise<R>,
): (...args: A) => Promise<R> {
  const counts: Record<string, number> = {};
  addMetric(registry, {
    name: 'umbel_registrations_total',
    help: 'Executions registered by this process; `existing`: known by their idempotency key.',
    type: 'counter',
    read: () => Object.entries(counts).map(([outcome, value]) => ({ labels: { outcome }, value })),
  });
  return async (...args) => {
    const answer = await register(...args);
    counts[answer.outcome] = (counts[answer.outcome] ?? 0) + 1;
    return answer;
  };
}
