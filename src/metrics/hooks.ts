// What the register server tells of its webhooks: calls by what they came to, and who waits.
import type { Registry } from 'prom-client';
import { addGauge, addMetric } from './metric.ts';

interface Look {
  waiters: number;
  kept: number;
  outcomes: Readonly<Record<string, number>>;
}

export function addHookMetrics(registry: Registry, look: () => Look): void {
  addMetric(registry, {
    name: 'umbel_hook_calls_total',
    help: 'Calls of webhooks: registered, existing (a repeat), or the error that they were refused with.',
    type: 'counter',
    read: () => Object.entries(look().outcomes).map(([outcome, value]) => ({ labels: { outcome }, value })),
  });
  addGauge(registry, 'umbel_hook_waiters', 'Callers that wait for a flow’s answer.', () => look().waiters);
  addGauge(registry, 'umbel_hooks_kept', 'Open hooks that were called lately.', () => look().kept);
}
