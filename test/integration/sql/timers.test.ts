import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../../src/sql/database.ts';
import { fireTimers } from '../../../src/sql/timers.ts';
import { createDatabase, servers, type TestDatabase } from '../../support/database.ts';
import { insertRows } from '../../support/hands.ts';
import { readExecution, readTask, readTasks, setStatus } from '../../support/rows.ts';
import {
  finished,
  joinWatcher,
  planFlow,
  registerOne,
  runAll,
  type TestWatcher,
  toBeRetried,
} from '../../support/runs.ts';
import { makeSteps } from '../../support/steps.ts';

describe.each(servers())('on $name', ({ server }) => {
  let database: TestDatabase;
  let db: Database;
  let watcher: TestWatcher;
  beforeAll(async () => {
    database = await createDatabase({ server });
    db = database.db;
  });
  afterAll(() => database.drop());
  beforeEach(async () => {
    await db.pool.query('truncate kr_task_stat');
    watcher = await joinWatcher(db);
  });

  const register = async (after: Record<string, string[]>) =>
    registerOne(db, await planFlow(db, makeSteps(after)));
  const timers = async () => (await db.pool.query<{ task_exec_seq: string }>('select * from kr_timer')).rows;
  /** Lets every time come. */
  const fire = async () => {
    await db.pool.query('update kr_timer set due_ts = now()');
    return fireTimers(db, 100);
  };
  /** Takes the first ready task and gives it back to be tried again later. */
  const retryFirst = async () => {
    const { claimed } = await watcher.call({ want: 1 });
    await watcher.call({ ended: claimed.map((task) => toBeRetried(task)), want: 0 });
  };

  test('a task to be tried again waits for its time, then runs; the execution stays open meanwhile', async () => {
    const id = await register({ a: [], b: ['a'] });
    await retryFirst();
    expect(await readTask(db, id, 1)).toMatchObject({ status: 0, ready: false, reason: null, attempt: 1 });
    expect(await readExecution(db, id)).toMatchObject({ status: 'open', active: 1 });
    expect((await watcher.call()).claimed).toEqual([]);
    const early = await fireTimers(db, 100);
    expect(early.ready).toEqual([]);
    expect(early.next).toBeGreaterThan(3_000_000);
    expect(await fire()).toEqual({ ready: [{ pool: 'default', priority: 0 }], next: undefined });
    expect(await runAll(watcher)).toEqual([`${id}/1`, `${id}/2`]);
    expect(await readTask(db, id, 1)).toMatchObject({ attempt: 2, status: 3 });
  });

  test('without timers there is no next time', async () => {
    expect(await fireTimers(db, 100)).toEqual({ ready: [], next: undefined });
  });

  test('fires no more than it is asked to, and each timer once, whoever else is at it', async () => {
    for (let n = 0; n < 6; n++) await register({ a: [] });
    const { claimed } = await watcher.call();
    await watcher.call({ ended: claimed.map((task) => toBeRetried(task)), want: 0 });
    await db.pool.query('update kr_timer set due_ts = now()');
    expect((await fireTimers(db, 2)).next).toBe(0);
    await Promise.all(Array.from({ length: 4 }, () => fireTimers(db, 100)));
    expect((await fireTimers(db, 100)).next).toBeUndefined();
    expect((await watcher.call()).claimed).toHaveLength(6);
  });

  test('an edit by hand does not wait', async () => {
    const id = await register({ a: [], b: ['a'] });
    await retryFirst();
    await setStatus(db, id, 1, 3);
    expect(await timers()).toEqual([]);
    expect(await runAll(watcher)).toEqual([`${id}/2`]);
  });

  test('a row deleted while it waited leaves nothing that holds back one inserted in its place', async () => {
    const id = await register({ a: [] });
    await retryFirst();
    await db.pool.query('delete from kr_task_stat where task_flow_id = $1', [id]);
    expect(await timers()).toEqual([]);
    await insertRows(db.pool, id, [[1, -1]]);
    expect(await runAll(watcher)).toEqual([`${id}/1`]);
    await register({ a: [] });
    await retryFirst();
    await db.pool.query('truncate kr_task_stat');
    expect(await timers()).toEqual([]);
  });

  test('a task to be tried again whose predecessor was set back waits for that alone, and the execution ends', async () => {
    const id = await register({ a: [], b: ['a'] });
    const { claimed: a } = await watcher.call();
    const { claimed: b } = await watcher.call({ ended: [finished(a[0]!)] });
    await setStatus(db, id, 1, 0);
    await watcher.call({ ended: [toBeRetried(b[0]!)], want: 0 });
    expect(await timers()).toEqual([]);
    expect(await readExecution(db, id)).toMatchObject({ status: 'open', active: 1 });
    expect(await runAll(watcher)).toEqual([`${id}/1`, `${id}/2`]);
    expect(await readExecution(db, id)).toMatchObject({ status: 'success', active: 0 });
  });

  test('a predecessor set back while the task waits for its time takes the timer away', async () => {
    const id = await register({ a: [], b: ['a'] });
    const { claimed: a } = await watcher.call();
    const { claimed: b } = await watcher.call({ ended: [finished(a[0]!)] });
    await watcher.call({ ended: [toBeRetried(b[0]!)], want: 0 });
    await setStatus(db, id, 1, 0);
    expect(await timers()).toEqual([]);
    expect(await runAll(watcher)).toEqual([`${id}/1`, `${id}/2`]);
  });

  test('a task whose predecessors were all skipped meanwhile is skipped when its time comes', async () => {
    const id = await register({ a: [], b: ['a'], c: ['b'] });
    const { claimed: a } = await watcher.call();
    const { claimed: b } = await watcher.call({ ended: [finished(a[0]!)] });
    await watcher.call({ ended: [toBeRetried(b[0]!)], want: 0 });
    await db.pool.query(
      `update kr_task_stat set exec_status = 9, reason = 'skipped' where task_flow_id = $1 and task_exec_seq = 1`,
      [id],
    );
    expect((await fire()).ready).toEqual([]);
    expect((await readTasks(db, id)).map(({ reason }) => reason)).toEqual(['skipped', 'skipped', 'skipped']);
    expect(await readExecution(db, id)).toMatchObject({ status: 'success', active: 0 });
  });
});
