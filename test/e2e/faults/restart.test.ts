// A Postgres that stops, crashes and comes back in the middle of a load, and one that throws everybody out. Everything is synced here.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect } from 'vitest';
import { startFaultServer, type FaultServer } from '../../support/fault-server.ts';
import { countRows, faultTest, guardWhile, makeWorld } from '../../support/fault-world.ts';
import { startRegister } from '../../support/service.ts';

let server: FaultServer;
beforeAll(async () => {
  server = await startFaultServer({ durable: true });
});
afterAll(() => server.remove());

for (const mode of ['fast', 'immediate'] as const)
  faultTest(
    `a ${mode} restart of Postgres under load loses nothing that was answered or recorded`,
    async () => {
      const world = await makeWorld(server);
      const register = await startRegister(world.env);
      const stopLoad = world.load(() => register.address);
      const watchers = [await world.watch(), await world.watch()];
      for (let restarts = 1; restarts <= 2; restarts += 1) {
        await sleep(200 + Math.random() * 300);
        await server.halt(mode);
        await server.start();
        await world.untilFinished(50 * restarts);
      }
      await stopLoad();
      await world.reckon();
      for (const watcher of watchers) expect(await watcher.stop()).toBe(0);
    },
  );

faultTest(
  'after an outage longer than the lease nothing has run twice, and what ended meanwhile is recorded',
  async () => {
    const world = await makeWorld(server);
    const register = await startRegister(world.env);
    const stopLoad = world.load(() => register.address);
    await world.watch({ POLL_INTERVAL: '5s' });
    await world.watch();
    await world.untilFinished(50);
    await server.halt('fast');
    await stopLoad();
    await sleep(2_500);
    await server.start();
    await world.reckon();
    expect(await countRows(world, 'kr_task_stat where lost > 0')).toBe(0);
    expect(await countRows(world, 'kr_task_stat where attempt > 1')).toBe(0);
  },
);

faultTest('connections terminated again and again are only a delay', async () => {
  const world = await makeWorld(server);
  const register = await startRegister(world.env);
  const stopLoad = world.load(() => register.address);
  await Promise.all([world.watch(), world.watch()]);
  const terminate = async () => {
    for (let times = 0; times < 10; times += 1) {
      await sleep(100 + Math.random() * 200);
      await world.db.pool.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name <> 'umbel fault test'`,
      );
    }
  };
  await guardWhile(world, terminate());
  await stopLoad();
  await world.reckon();
});
