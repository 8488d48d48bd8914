// A Postgres that answers no: its disk is full, a time limit strikes, or somebody keeps rows locked over lunch.
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest';
import { startFaultServer, type FaultServer } from '../../support/fault-server.ts';
import { askServer } from '../../support/server.ts';
import { countRows, faultTest, guardWhile, makeWorld, type World } from '../../support/fault-world.ts';
import { makeDirectory, startRegister, until } from '../../support/service.ts';

let server: FaultServer;
beforeAll(async () => {
  server = await startFaultServer();
});
afterAll(() => server.remove());

/** Lets every write to the tables of tasks and batches fail with the state, until the returned function is called. */
async function refuseWrites({ db }: World, state: string): Promise<() => Promise<void>> {
  const tables = ['kr_task_stat', 'kr_claim'];
  await db.pool.query(
    `create or replace function refuse() returns trigger language plpgsql as $$ begin raise 'refused' using errcode = '${state}'; end $$`,
  );
  for (const table of tables)
    await db.pool.query(
      `create trigger refuse before insert or update or delete on ${table} for each statement execute function refuse()`,
    );
  return async () => {
    for (const table of tables) await db.pool.query(`drop trigger refuse on ${table}`);
  };
}

for (const [what, state] of [
  ['a full disk', '53100'],
  ['a time limit', '57014'],
] as const)
  faultTest(`${what} fails no task, and all goes on when it is over`, async () => {
    const world = await makeWorld(server);
    const register = await startRegister(world.env);
    const stopLoad = world.load(() => register.address, 4);
    const watchers = [await world.watch(), await world.watch()];
    await world.untilFinished(20);
    const relent = await refuseWrites(world, state);
    await until(
      async () => world.refused(),
      (refused) => refused > 3,
    );
    await sleep(700);
    await relent();
    const finished = await countRows(world, 'kr_task_stat where exec_status = 3');
    await world.untilFinished(finished + 20);
    await stopLoad();
    await world.reckon();
    expect(await countRows(world, 'kr_task_stat where error is not null')).toBe(0);
    for (const watcher of watchers) expect(await watcher.stop()).toBe(0);
  });

faultTest('a disk that really is full is only a delay', async () => {
  if (server.account === undefined) return; // It takes root to mount a small disk; the tests above stand in for this one.
  const disk = await mountDisk(server.account.uid);
  const world = await makeWorld(server);
  await world.db.pool.query(`create tablespace small location '${disk}'`);
  await world.db.pool.query('alter table kr_task_stat set tablespace small');
  const register = await startRegister(world.env);
  const stopLoad = world.load(() => register.address, 4);
  await Promise.all([world.watch(), world.watch()]);
  await world.untilFinished(20);
  await fillDisk(world);
  await until(
    async () => world.refused(),
    (refused) => refused > 3,
  );
  await world.db.pool.query('drop table ballast');
  const finished = await countRows(world, 'kr_task_stat where exec_status = 3');
  await world.untilFinished(finished + 20);
  await stopLoad();
  await world.reckon();
  expect(await countRows(world, 'kr_task_stat where error is not null')).toBe(0);
});

/** A disk of 24 MB that belongs to the server's user. */
async function mountDisk(uid: number): Promise<string> {
  const disk = await makeDirectory();
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=24m,mode=0700,uid=${uid}`, 'umbel-fault', disk]);
  onTestFinished(async () => {
    await askServer(server.url, 'drop tablespace if exists small');
    execFileSync('umount', [disk]);
  });
  return disk;
}

/** Writes until nothing more fits, in ever smaller pieces. */
async function fillDisk({ db }: World): Promise<void> {
  await db.pool.query('create table ballast (filling text) tablespace small');
  await db.pool.query('alter table ballast alter filling set storage plain, set (autovacuum_enabled = off)');
  for (const rows of [10_000, 100, 1, 1])
    for (let full = false; !full;)
      full = await db.pool
        .query(`insert into ballast select repeat('x', 7000) from generate_series(1, ${rows})`)
        .then(
          () => false,
          () => true,
        );
}

faultTest('rows that somebody keeps locked hold up their own executions and no others', async () => {
  const world = await makeWorld(server);
  const register = await startRegister(world.env);
  const stopLoad = world.load(() => register.address, 4);
  await world.watch();
  await world.untilFinished(20);
  const hand = await world.db.pool.connect();
  await hand.query('begin');
  const { rowCount } = await hand.query(
    `select from kr_task_stat t join kr_flow_stat k using (task_flow_id) where k.finished_ts is null and t.task_id = 'slow' for update`,
  );
  expect(rowCount).toBeGreaterThan(0);
  const finished = await countRows(world, 'kr_task_stat where exec_status = 3');
  await guardWhile(world, world.untilFinished(finished + 200));
  const left = await countRows(world, `kr_task_stat where task_id = 'slow' and exec_status = 1`);
  expect(left).toBeGreaterThan(0);
  await hand.query('commit');
  hand.release();
  await stopLoad();
  await world.reckon();
});
