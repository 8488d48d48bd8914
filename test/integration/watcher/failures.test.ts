// What a watcher makes of a database that fails it.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openDatabase, type Database } from '../../../src/sql/database.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { makeDoor } from '../../support/door.ts';
import { defineFlow, makeTestRegistrar, type Registering, untilStatuses } from '../../support/flows.ts';
import { makeProbe } from '../../support/probe.ts';
import { readStatuses, readTask } from '../../support/rows.ts';
import { until } from '../../support/service.ts';
import { startWatcher, stopWatchers, type RunningWatcher } from '../../support/watcher.ts';

let database: TestDatabase;
let registrar: Registering;
beforeEach(async () => {
  database = await createDatabase();
  registrar = makeTestRegistrar(database.db);
});
afterEach(async () => {
  await stopWatchers();
  await database.drop();
});

const query = (text: string, values: unknown[] = []) => database.db.pool.query(text, values);

const untilSaid = (watcher: RunningWatcher, start: string) =>
  until(
    async () => watcher.logged.filter(({ msg }) => msg.startsWith(start)).length,
    (count) => count > 0,
  );

/** The database as it is, but for the next answers to `statement`: carried out, and lost on the way back. */
function loseAnswers(url: string): {
  db: Database;
  lose: (statement: string, wanted?: (rows: number) => boolean) => void;
} {
  const db = openDatabase({ url, max: 4 });
  const real = db.pool.query.bind(db.pool) as (...args: unknown[]) => Promise<{ rows: unknown[] }>;
  let lost: { statement: string; wanted: (rows: number) => boolean } | undefined;
  const query = async (...args: unknown[]) => {
    const answer = await real(...args);
    const { name } = args[0] as { name?: string };
    if (!lost || name !== lost.statement || !lost.wanted(answer.rows.length)) return answer;
    lost = undefined;
    throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
  };
  Object.assign(db.pool, { query });
  return { db, lose: (statement, wanted = () => true) => (lost = { statement, wanted }) };
}

describe('an answer that is lost after its call was carried out', () => {
  test('costs nothing: what it claimed is handed back and run once', async () => {
    const probe = makeProbe();
    const { db, lose } = loseAnswers(database.url);
    const watcher = await startWatcher(database.url, [probe.program], { db });
    await defineFlow(database.db, 'chain', [{ program: 'probe' }, { program: 'empty' }]);
    lose('umbel_advance_v1', (rows) => rows > 1);
    const id = await registrar.start('chain');
    const run = await probe.next();
    await untilSaid(watcher, 'handed back tasks of a lost answer');
    expect(run.context.attempt).toBe(1);
    run.finish('once');
    await untilStatuses(database.db, id, [3, 3]);
    expect(probe.begun.length).toBe(1);
    expect(await readTask(database.db, id, 1)).toMatchObject({ result: 'once', lost: 0 });
  });

  test('records each result once, and releases what waited for it once', async () => {
    const probe = makeProbe();
    const { db, lose } = loseAnswers(database.url);
    const watcher = await startWatcher(database.url, [probe.program], { db });
    await defineFlow(database.db, 'join', [
      { program: 'probe', depends: [] },
      { program: 'probe', depends: [] },
      { program: 'probe', depends: [1, 2] },
    ]);
    const id = await registrar.start('join');
    const [one, other] = [await probe.next(), await probe.next()];
    lose('umbel_advance_v1');
    one.finish();
    await untilSaid(watcher, 'the database is away');
    await untilSaid(watcher, 'the database is back');
    expect((await readStatuses(database.db, id)).toSorted((a, b) => a - b)).toEqual([0, 1, 3]);
    other.finish();
    (await probe.next()).finish();
    await untilStatuses(database.db, id, [3, 3, 3]);
    expect(probe.begun.length).toBe(3);
  });
});

describe('a database that is away', () => {
  test('is waited for calmly; what ended meanwhile is recorded, and work goes on', async () => {
    const probe = makeProbe();
    const door = await makeDoor(database.url);
    const watcher = await startWatcher(door.url, [probe.program], { lease: 60_000 });
    await defineFlow(database.db, 'chain', [{ program: 'probe' }, { program: 'probe' }]);
    const id = await registrar.start('chain');
    const run = await probe.next();
    await door.shut();
    run.finish({ kept: true });
    await untilSaid(watcher, 'the database is away');
    expect(await readStatuses(database.db, id)).toEqual([1, 0]);
    await door.open();
    const second = await probe.next();
    expect(second.context.input).toEqual({ kept: true });
    second.finish();
    await untilStatuses(database.db, id, [3, 3]);
    await untilSaid(watcher, 'the database is back');
    expect(probe.begun.map(({ context }) => context.attempt)).toEqual([1, 1]);
    expect(watcher.logged.filter(({ level }) => level >= 50)).toEqual([]);
    await stopWatchers();
    await door.shut();
  });

  test('is heard again when it is back: a hint wakes the watcher long before its poll', async () => {
    const door = await makeDoor(database.url);
    const watcher = await startWatcher(door.url, []);
    await defineFlow(database.db, 'one', [{ program: 'empty' }]);
    await untilStatuses(database.db, await registrar.start('one'), [3]);
    await door.shut();
    await untilSaid(watcher, 'not listening');
    const missed = await registrar.start('one');
    await door.open();
    await untilStatuses(database.db, missed, [3]);
    const heard = await registrar.start('one');
    await untilStatuses(database.db, heard, [3]);
    expect((await readTask(database.db, heard, 1)).attempt).toBe(1);
    await stopWatchers();
    await door.shut();
  });
});

describe('a watcher whose lease ran out', () => {
  test('joins again as another, lets go of what it held, and its late answers change nothing', async () => {
    const [mine, theirs] = [makeProbe('probe'), makeProbe('probe')];
    await defineFlow(database.db, 'one', [{ program: 'probe' }]);
    const watcher = await startWatcher(database.url, [mine.program], { lease: 60_000 });
    const ids = [await registrar.start('one'), await registrar.start('one')];
    const [late, stopped] = [await mine.next(), await mine.next()];
    await query(`update kr_watcher set lease_until = now() - interval '1 minute'`);
    const rescuer = await startWatcher(database.url, [theirs.program], { lease: 2_000 });
    await untilSaid(rescuer, 'task taken back from a dead watcher');
    const again = [await theirs.next(), await theirs.next()];
    late.finish('late');
    await untilSaid(watcher, 'the lease had run out');
    expect(stopped.context.signal.aborted).toBe(true);
    for (const id of ids)
      expect(await readTask(database.db, id, 1)).toMatchObject({
        status: 1,
        attempt: 2,
        lost: 1,
        result: null,
      });
    for (const run of again) run.finish('counts');
    for (const id of ids) await untilStatuses(database.db, id, [3]);
    for (const id of ids)
      expect(await readTask(database.db, id, 1)).toMatchObject({ result: 'counts', attempt: 2 });
    await rescuer.stop(0);
    const next = await registrar.start('one');
    (await mine.next()).finish();
    await untilStatuses(database.db, next, [3]);
  });

  test('leaves its tasks to others, and after three losses they are suspended', async () => {
    const probe = makeProbe();
    await defineFlow(database.db, 'one', [{ program: 'probe' }]);
    const id = await registrar.start('one');
    for (let lost = 1; lost <= 3; lost += 1) {
      const doomed = await startWatcher(database.url, [probe.program], { lease: 60_000 });
      await probe.next();
      await query('update kr_watcher set lease_until = now()');
      const rescuer = await startWatcher(database.url, [], { lease: 2_000, pool: 'other' });
      await untilSaid(rescuer, lost < 3 ? 'task taken back' : 'task suspended: lost too often');
      await Promise.all([doomed.stop(0), rescuer.stop(0)]);
    }
    expect(await readTask(database.db, id, 1)).toMatchObject({
      status: 2,
      reason: 'failed',
      lost: 3,
      error: { name: 'LostError' },
    });
  });
});

test('a result that the database refuses fails its own task and harms none recorded with it', async () => {
  await query(
    `alter table kr_task_stat add constraint no_poison check (result is null or result::text not like '%poison%')`,
  );
  const probe = makeProbe();
  await startWatcher(database.url, [probe.program]);
  await defineFlow(database.db, 'one', [{ program: 'probe' }, { program: 'empty' }]);
  const ids = await Promise.all(Array.from({ length: 5 }, () => registrar.start('one')));
  const runs = [];
  for (let at = 0; at < 5; at += 1) runs.push(await probe.next());
  for (const run of runs) run.finish(run.key === `${ids[2]}:1` ? 'poison' : 'fine');
  for (const [at, id] of ids.entries()) await untilStatuses(database.db, id, at === 2 ? [2, 0] : [3, 3]);
  expect((await readTask(database.db, ids[2]!, 1)).error).toMatchObject({
    name: 'ResultError',
    message: expect.stringContaining('no_poison'),
  });
});

describe('tasks claimed ahead', () => {
  test('are handed back when programs take longer than they used to, for another watcher to run', async () => {
    const [busy, free] = [makeProbe('probe'), makeProbe('probe')];
    await defineFlow(database.db, 'quick', [{ program: 'empty' }]);
    await defineFlow(database.db, 'slow', [{ program: 'probe' }]);
    const watcher = await startWatcher(database.url, [busy.program], { workers: 1 });
    await untilStatuses(database.db, await registrar.start('quick'), [3]);
    const ids = await Promise.all(Array.from({ length: 5 }, () => registrar.start('slow')));
    const held = await busy.next();
    await untilSaid(watcher, 'handed back what waited here');
    await startWatcher(database.url, [free.program]);
    for (let at = 0; at < 4; at += 1) {
      const run = await free.next();
      expect(run.context.attempt).toBe(1);
      run.finish();
    }
    for (const id of ids) await untilStatuses(database.db, id, [held.key === `${id}:1` ? 1 : 3]);
    held.finish();
    for (const id of ids) await untilStatuses(database.db, id, [3]);
    expect(busy.begun.length + free.begun.length).toBe(5);
  });
});
