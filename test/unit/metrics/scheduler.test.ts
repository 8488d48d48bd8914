// What a scheduler's figures say after some turns.
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { addScheduleMetrics } from '../../../src/metrics/scheduler.ts';

test('decisions are counted by kind, and lateness by its time', async () => {
  const registry = new Registry();
  const onTurn = addScheduleMetrics(registry);
  onTurn({ fires: [{ decision: 'fired' }, { decision: 'skipped' }], lateness: [4] });
  onTurn({ fires: [{ decision: 'fired' }], lateness: [90] });
  const text = await registry.metrics();
  expect(text).toContain('umbel_schedule_fires_total{decision="fired"} 2');
  expect(text).toContain('umbel_schedule_fires_total{decision="skipped"} 1');
  expect(text).toContain('umbel_schedule_lateness_seconds_bucket{le="0.005"} 1');
  expect(text).toContain('umbel_schedule_lateness_seconds_bucket{le="0.1"} 2');
  expect(text).toContain('umbel_schedule_lateness_seconds_count 2');
});
