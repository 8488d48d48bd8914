// Watchers that are not as the others: stopped past their lease, with a clock that is wrong, of another release.
import { cp, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect } from 'vitest';
import { startFaultServer, type FaultServer } from '../../support/fault-server.ts';
import { countRows, faultTest, guardWhile, makeWorld } from '../../support/fault-world.ts';
import { makeDirectory, startRegister, startWatch, until } from '../../support/service.ts';

let server: FaultServer;
beforeAll(async () => {
  server = await startFaultServer();
});
afterAll(() => server.remove());

faultTest('a watcher that stood still past its lease changes nothing that others do meanwhile', async () => {
  const world = await makeWorld(server);
  const register = await startRegister(world.env);
  const stopLoad = world.load(() => register.address, 4);
  const watchers = [await world.watch(), await world.watch()];
  await world.untilFinished(20);
  const freeze = async () => {
    for (const watcher of watchers) {
      watcher.signal('SIGSTOP');
      await until(
        () => countRows(world, `kr_watcher where name like '%:${watcher.pid}'`),
        (rows) => rows === 0,
      );
      await sleep(200);
      watcher.signal('SIGCONT');
      await watcher.line(/joined again as another watcher/);
    }
  };
  await guardWhile(world, freeze());
  await stopLoad();
  await world.reckon({ mayLose: true });
});

faultTest('clocks of watchers and register servers that are an hour wrong matter to nobody', async () => {
  const world = await makeWorld(server);
  const preload = fileURLToPath(new URL('../../support/wrong-clock.ts', import.meta.url));
  const wrong = (hours: number) => ({
    NODE_OPTIONS: `--import=${preload}`,
    CLOCK_SHIFT: String(hours * 3_600_000),
  });
  const servers = [
    await startRegister({ ...world.env, ...wrong(1) }),
    await startRegister({ ...world.env, ...wrong(-1) }),
  ];
  let turn = 0;
  const stopLoad = world.load(() => servers[(turn += 1) % 2]!.address, 4);
  const fast = await world.watch(wrong(1));
  await world.watch(wrong(-1));
  await world.watch();
  await world.untilFinished(50);
  await fast.stop('SIGKILL');
  await sleep(500);
  await stopLoad();
  await world.reckon();
  expect(
    await countRows(world, `kr_flow_stat where abs(extract(epoch from registered_ts - now())) > 600`),
  ).toBe(0);
  expect(await countRows(world, `kr_task_stat where abs(extract(epoch from started_ts - now())) > 600`)).toBe(
    0,
  );
});

faultTest('watchers of two releases work side by side, and take over from each other', async () => {
  const world = await makeWorld(server);
  const register = await startRegister(world.env);
  const stopLoad = world.load(() => register.address, 4);
  const entry = await copyRelease('0.0.9');
  const old = await startWatch(world.env, [], entry);
  const fresh = await world.watch();
  const releases = await world.db.pool.query<{ release: string }>(
    'select release from kr_watcher order by 1',
  );
  expect(releases.rows.length).toBe(2);
  expect(releases.rows[0]).toEqual({ release: '0.0.9' });
  await world.untilFinished(50);
  await world.db.pool.query(
    `insert into umbel_migrations (name, run_on) values ('9999_of_a_later_release', now())`,
  );
  await old.stop('SIGKILL');
  const again = await startWatch(world.env, [], entry);
  await world.untilFinished(150);
  await fresh.stop('SIGKILL');
  await stopLoad();
  await world.reckon();
  expect(await again.stop()).toBe(0);
});

/** The product as a release of its own; returns its entry point. */
async function copyRelease(version: string): Promise<string> {
  const from = fileURLToPath(new URL('../../..', import.meta.url));
  const to = await makeDirectory();
  for (const name of ['cmd', 'src', 'migrations'])
    await cp(path.join(from, name), path.join(to, name), { recursive: true });
  const manifest = JSON.parse(await readFile(path.join(from, 'package.json'), 'utf8')) as object;
  await writeFile(path.join(to, 'package.json'), JSON.stringify({ ...manifest, version }));
  await symlink(path.join(from, 'node_modules'), path.join(to, 'node_modules'));
  return path.join(to, 'cmd', 'umbel.js');
}
