import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { defineFlow, makeTestRegistrar, type Registering, untilStatuses } from '../support/flows.ts';
import { readStatuses, readTask } from '../support/rows.ts';
import { makeDirectory, startWatch } from '../support/service.ts';

const PROGRAMS = fileURLToPath(new URL('../support/programs', import.meta.url));

let database: TestDatabase;
let registrar: Registering;
let file: string;
beforeEach(async () => {
  database = await createDatabase();
  registrar = makeTestRegistrar(database.db);
  file = path.join(await makeDirectory(), 'there');
  await defineFlow(database.db, 'wait', [
    { program: 'wait-for-file', params: { file } },
    { program: 'empty' },
  ]);
});
afterEach(() => database.drop());

const watch = (env: Record<string, string> = {}) =>
  startWatch({ DATABASE_URL: database.url, PROGRAMS, ...env });

test('SIGTERM lets a running task end within the grace time, and claims nothing more', async () => {
  const watcher = await watch();
  const id = await registrar.start('wait');
  await watcher.line(new RegExp(`${id} waits`));
  const ended = watcher.stop();
  await watcher.line(/"msg":"stopping/);
  await writeFile(file, '');
  expect(await ended).toBe(0);
  expect(await readStatuses(database.db, id)).toEqual([3, 0]);
  expect((await database.db.pool.query('select from kr_watcher')).rowCount).toBe(0);
  await watch();
  await untilStatuses(database.db, id, [3, 3]);
});

test('SIGTERM hands back what outlasts the grace time, and another watcher runs it again', async () => {
  const watcher = await watch({ GRACE: '10ms', WORKERS: '2' });
  const ids = await Promise.all([registrar.start('wait'), registrar.start('wait'), registrar.start('wait')]);
  for (const id of ids.slice(0, 2)) await watcher.line(new RegExp(`${id} waits`));
  expect(await watcher.stop()).toBe(0);
  for (const id of ids) {
    expect(await readTask(database.db, id, 1)).toMatchObject({
      status: 0,
      ready: true,
      watcher: null,
      lost: 0,
    });
  }
  await writeFile(file, '');
  await watch();
  for (const id of ids) await untilStatuses(database.db, id, [3, 3]);
  expect((await readTask(database.db, ids[0], 1)).attempt).toBe(2);
});

test('a second signal ends the process at once; when its lease is over its tasks run elsewhere', async () => {
  const watcher = await watch({ LEASE: '1s' });
  const id = await registrar.start('wait');
  await watcher.line(new RegExp(`${id} waits`));
  watcher.signal('SIGTERM');
  await watcher.line(/"msg":"stopping/);
  expect(await watcher.stop('SIGINT')).toBe(130);
  expect(await readStatuses(database.db, id)).toEqual([1, 0]);
  await writeFile(file, '');
  const rescuer = await watch({ LEASE: '1s' });
  await rescuer.line(/taken back from a dead watcher/);
  await untilStatuses(database.db, id, [3, 3]);
  expect(await readTask(database.db, id, 1)).toMatchObject({ attempt: 2, lost: 1 });
});

test('a watcher that is killed leaves nothing at Running for ever', async () => {
  const watcher = await watch({ LEASE: '1s' });
  const ids = await Promise.all(Array.from({ length: 5 }, () => registrar.start('wait')));
  for (const id of ids) await untilStatuses(database.db, id, [1, 0]);
  expect(await watcher.stop('SIGKILL')).toBe('SIGKILL');
  await writeFile(file, '');
  await watch({ LEASE: '1s' });
  for (const id of ids) await untilStatuses(database.db, id, [3, 3]);
});

test('a watcher whose log nobody reads any more works on, and ends when it is told to', async () => {
  const entry = fileURLToPath(new URL('../../cmd/umbel.js', import.meta.url));
  const env = { DATABASE_URL: database.url, PROGRAMS, LOG_FORMAT: 'json', LOG_LEVEL: 'debug' };
  const watcher = spawn(process.execPath, [entry, 'watch'], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  onTestFinished(() => void watcher.kill('SIGKILL'));
  const exited = once(watcher, 'exit');
  await once(watcher.stderr, 'data');
  watcher.stderr.destroy();
  const id = await registrar.start('wait');
  await writeFile(file, '');
  await untilStatuses(database.db, id, [3, 3]);
  watcher.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
});
