// A network that breaks, stalls, delays, half-closes and loses answers, between watchers or a register server and Postgres.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest';
import { startFaultServer, type FaultServer } from '../../support/fault-server.ts';
import { countRows, faultTest, guardWhile, makeWorld, post } from '../../support/fault-world.ts';
import { makeFaultyProxy } from '../../support/faulty-proxy.ts';
import { startRegister } from '../../support/service.ts';

let server: FaultServer;
beforeAll(async () => {
  server = await startFaultServer();
});
afterAll(() => server.remove());

/** Watchers reach Postgres through the proxy alone; the register server has a way of its own. */
async function makeFaultyWorld() {
  const world = await makeWorld(server);
  const proxy = await makeFaultyProxy(world.url);
  onTestFinished(proxy.close);
  const register = await startRegister(world.env);
  const stopLoad = world.load(() => register.address, 4);
  const watch = () => world.watch({ DATABASE_URL: proxy.url });
  return { world, proxy, register, stopLoad, watch };
}

faultTest('connections that break, slow down and half-close are only a delay', async () => {
  const { world, proxy, stopLoad, watch } = await makeFaultyWorld();
  const watchers = [await watch(), await watch()];
  const disturb = async () => {
    for (const fault of [
      () => proxy.drop(),
      () => proxy.delay(30),
      () => proxy.halfClose('client'),
      () => proxy.drop(),
      () => proxy.delay(0),
      () => proxy.halfClose('server'),
      () => proxy.drop(),
    ]) {
      fault();
      await sleep(200 + Math.random() * 300);
    }
  };
  await guardWhile(world, disturb());
  await stopLoad();
  await world.reckon();
  for (const watcher of watchers) expect(await watcher.stop()).toBe(0);
});

faultTest('a network that stalls without breaking holds a watcher up no longer than it stalls', async () => {
  const { world, proxy, stopLoad, watch } = await makeFaultyWorld();
  const watcher = await watch();
  await world.untilFinished(20);
  proxy.hold();
  await sleep(8_000);
  await stopLoad();
  proxy.release();
  await world.reckon();
  proxy.hold();
  expect(await watcher.stop()).toBe(0);
});

faultTest('connections to a server that never answers again are given up', async () => {
  const { world, proxy, stopLoad, watch } = await makeFaultyWorld();
  await watch();
  await world.untilFinished(20);
  proxy.halfClose('server');
  await sleep(500);
  await stopLoad();
  await world.reckon();
});

faultTest('what an answer that was lost brought in is handed back, and what it recorded stays', async () => {
  const { world, proxy, stopLoad, watch } = await makeFaultyWorld();
  await watch();
  await watch();
  const lose = async () => {
    for (let times = 1; times <= 10; times += 1) {
      proxy.loseAnswers('umbel_advance_v1', 1);
      await expect.poll(proxy.lost, { timeout: 20_000, interval: 5 }).toBe(times);
    }
  };
  await guardWhile(world, lose());
  await stopLoad();
  await world.reckon();
  expect(await countRows(world, 'kr_task_stat where lost > 0')).toBe(0);
});

faultTest('a registration whose answer was lost is stored once, and answered', async () => {
  const world = await makeWorld(server);
  const proxy = await makeFaultyProxy(world.url);
  onTestFinished(proxy.close);
  const register = await startRegister({ ...world.env, DATABASE_URL: proxy.url });
  const calls: (string | undefined)[] = [await post(register.address, 'chain')];
  for (let times = 0; times < 5; times += 1) {
    proxy.loseAnswers('umbel_register_v1', 1);
    const [plain, keyed] = await Promise.all([
      post(register.address, 'chain'),
      post(register.address, 'fan', { idempotencyKey: `call ${times}` }),
    ]);
    calls.push(plain, keyed);
  }
  expect(proxy.lost()).toBe(5);
  expect(calls).not.toContain(undefined);
  expect(await countRows(world, 'kr_flow_stat')).toBe(calls.length);
  for (const id of calls) world.accepted.add(id!);
  await world.watch();
  await world.reckon();
});
