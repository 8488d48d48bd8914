import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { silentLogger } from '../../../src/log.ts';
import { addDatabaseMetrics } from '../../../src/metrics/database.ts';
import { makeMetrics } from '../../../src/metrics/metrics.ts';
import { addHookMetrics } from '../../../src/metrics/hooks.ts';
import { addScheduleMetrics } from '../../../src/metrics/scheduler.ts';
import { addRequestMetrics, countRegistrations } from '../../../src/metrics/server.ts';
import { addTurnMetrics, addWatcherMetrics } from '../../../src/metrics/watcher.ts';
import { openDatabase } from '../../../src/sql/database.ts';

it('docs/operations.md lists every metric of ours, and no other', async () => {
  const { registry } = makeMetrics('1');
  addDatabaseMetrics(registry, openDatabase({ url: 'postgres://nobody@127.0.0.1:1/none' }), silentLogger());
  addTurnMetrics(registry);
  addWatcherMetrics(registry, () => {
    throw new Error('nobody asks');
  });
  addScheduleMetrics(registry);
  addRequestMetrics(registry);
  addHookMetrics(registry, () => ({ waiters: 0, kept: 0, outcomes: {} }));
  countRegistrations(registry, async () => ({ outcome: 'registered' }));
  const ours = registry
    .getMetricsAsArray()
    .map(({ name }) => name)
    .filter((name) => name.startsWith('umbel_'));
  const page = await readFile(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| `umbel_'));
  const listed = rows.flatMap((row) =>
    [...(row.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name),
  );
  expect(new Set(listed)).toEqual(new Set(ours));
});
