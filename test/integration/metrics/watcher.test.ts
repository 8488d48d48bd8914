import { Registry } from 'prom-client';
import { expect, it, onTestFinished } from 'vitest';
import { silentLogger } from '../../../src/log.ts';
import { addTurnMetrics, addWatcherMetrics } from '../../../src/metrics/watcher.ts';
import { empty } from '../../../src/programs/empty.ts';
import { makeRegistry } from '../../../src/programs/registry.ts';
import { makeRegistrar } from '../../../src/registrar/registrar.ts';
import { makeWatcher } from '../../../src/watcher/watcher.ts';
import { createDatabase } from '../../support/database.ts';

it('counts what a watcher claims, is handed and settles', async () => {
  const { url, db, drop } = await createDatabase();
  onTestFinished(drop);
  const registry = new Registry();
  const turns = addTurnMetrics(registry);
  let settled = 0;
  const done = Promise.withResolvers<void>();
  const watcher = makeWatcher({
    db,
    url,
    registry: makeRegistry([empty]),
    log: silentLogger(),
    pool: 'default',
    workers: 7,
    pollInterval: 50,
    lease: 15_000,
    release: '1',
    onTurn(call, answer, ms) {
      turns(call, answer, ms);
      settled += call.ended.length;
      if (settled === 9) done.resolve();
    },
  });
  addWatcherMetrics(registry, () => watcher.look());
  await db.pool.query(
    `insert into ms_task_definition (task_id, task_seq, program) values ('f', 1, 'empty'), ('f', 2, 'empty'), ('f', 3, 'nope')`,
  );
  const { register } = makeRegistrar({ db, wake: (pool, priority) => watcher.hint(pool, priority) });
  for (let i = 0; i < 3; i += 1) await register({ flow: 'f', tenant: 'local', trigger: null });
  await watcher.start();
  await done.promise;
  const text = await registry.metrics();
  await watcher.stop(1_000);
  expect(text).toContain('umbel_tasks_settled_total{outcome="finished"} 6');
  expect(text).toContain('umbel_tasks_settled_total{outcome="failed"} 3');
  const claimed = [...text.matchAll(/^umbel_tasks_claimed_total\{how="\w+"\} (\d+)$/gm)].map(([, count]) =>
    Number(count),
  );
  expect(claimed).toHaveLength(2);
  expect(claimed.reduce((sum, one) => sum + one)).toBe(9);
  expect(text).toContain('umbel_advance_batch_size_sum{of="settled"} 9');
  expect(text).toContain('umbel_slots 7');
  expect(text).toContain('umbel_slots_busy 0');
  expect(text).toContain('umbel_pool_watchers 1');
  expect(text).toMatch(/^umbel_lease_age_seconds 0\.\d+$/m);
});
