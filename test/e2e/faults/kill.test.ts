// Processes that die: watchers and register servers ended with kill -9 at moments that chance picks.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect } from 'vitest';
import { startFaultServer, type FaultServer } from '../../support/fault-server.ts';
import { faultTest, guardWhile, makeWorld } from '../../support/fault-world.ts';
import { startRegister } from '../../support/service.ts';

let server: FaultServer;
beforeAll(async () => {
  server = await startFaultServer();
});
afterAll(() => server.remove());

faultTest('watchers killed at random moments lose nothing and repeat no attempt', async () => {
  const world = await makeWorld(server);
  const register = await startRegister(world.env);
  const stopLoad = world.load(() => register.address);
  const watchers = await Promise.all([world.watch(), world.watch(), world.watch()]);
  const kill = async () => {
    for (let kills = 0; kills < 6; kills += 1) {
      await sleep(200 + Math.random() * 400);
      const at = kills % watchers.length;
      await watchers[at]!.stop('SIGKILL');
      watchers[at] = await world.watch();
    }
  };
  await guardWhile(world, kill());
  await stopLoad();
  await world.reckon({ mayLose: true });
});

faultTest('a task whose watcher died runs again within two lease times', async () => {
  const lease = 1_000;
  const world = await makeWorld(server, { lease });
  const register = await startRegister(world.env);
  const doomed = await world.watch({ WORKERS: '20' });
  const stopLoad = world.load(() => register.address, 4);
  await world.untilFinished(20);
  await stopLoad();
  await world.watch({ WORKERS: '1' });
  await doomed.stop('SIGKILL');
  const { rows: dead } = await world.db.pool.query<{ at: Date; tasks: number }>(
    `select w.lease_until at, (select count(*)::int from kr_task_stat t where t.watcher_id = w.watcher_id and t.exec_status = 1) tasks
     from kr_watcher w where workers = 20`,
  );
  await world.watch({ WORKERS: '50' });
  await world.reckon();
  const { rows: late } = await world.db.pool.query<{ ms: number }>(
    `select extract(epoch from started_ts - $1::timestamptz)::float8 * 1000 ms from kr_task_stat where lost > 0 order by 1 desc limit 1`,
    [dead[0]!.at],
  );
  expect(dead[0]!.tasks > 0).toBe(late.length > 0);
  // The lease ran from the last heartbeat, at most a third of it before the end; what is left is looking and claiming.
  for (const { ms } of late) expect(ms).toBeLessThan(2 * lease);
});

faultTest('a register server killed under load has stored whatever it said yes to', async () => {
  const world = await makeWorld(server);
  let register = await startRegister(world.env);
  const stopLoad = world.load(() => register.address, 16);
  await world.watch();
  for (let kills = 0; kills < 3; kills += 1) {
    await sleep(200 + Math.random() * 300);
    await register.stop('SIGKILL');
    register = await startRegister(world.env);
  }
  await stopLoad();
  await world.reckon();
  expect(world.refused()).toBeGreaterThan(0);
});
