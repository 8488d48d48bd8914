import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeControl } from '../../../src/registrar/control.ts';
import type { Database } from '../../../src/sql/database.ts';
import { fireTimers } from '../../../src/sql/timers.ts';
import { createDatabase, servers, type TestDatabase } from '../../support/database.ts';
import { readExecution, readTasks } from '../../support/rows.ts';
import {
  awaiting,
  finished,
  joinWatcher,
  planFlow,
  registerOne,
  runAll,
  type TestWatcher,
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

  const which = (id: string) => ({ tenant: 'local', id });
  const begin = async (after: Record<string, string[]>, timeout = 3_600_000) =>
    registerOne(db, await planFlow(db, makeSteps(after)), { timeout });
  const timers = async () => (await db.pool.query<{ kind: string }>('select kind from kr_timer')).rows;
  /** Lets every time come. */
  const fire = async () => {
    await db.pool.query('update kr_timer set due_ts = now()');
    await fireTimers(db, 100);
  };
  const errorOf = async (id: string) => {
    const text = 'select error, deadline_ts > registered_ts later from kr_flow_stat where task_flow_id = $1';
    return (await db.pool.query(text, [id])).rows[0] as unknown;
  };

  test('past its deadline an execution is failed: what runs, waits or is ready; what came before stays', async () => {
    const id = await begin({ a: [], b: ['a'], c: ['a'], d: ['a'], e: ['b'] });
    const [a] = (await watcher.call()).claimed;
    const { claimed } = await watcher.call({ ended: [finished(a!)], want: 2 });
    await watcher.call({ ended: [awaiting(claimed[0]!, 'go', true)], want: 0 });
    await fire();
    const tasks = await readTasks(db, id);
    expect(tasks.map(({ status, reason }) => [status, reason])).toEqual([
      [3, null],
      [2, 'failed'],
      [2, 'failed'],
      [2, 'failed'],
      [0, null],
    ]);
    expect(tasks[1]!.error).toMatchObject({ name: 'DeadlineError' });
    expect(await readExecution(db, id)).toMatchObject({ status: 'failed', active: 0 });
    expect(await errorOf(id)).toMatchObject({ error: { name: 'DeadlineError' }, later: true });
    const late = await watcher.call({ ended: [finished(claimed[1]!)] });
    expect(late).toMatchObject({ claimed: [], late: [{ flow: id }] });
    expect(await timers()).toEqual([]);
  });

  test('before it nothing happens, and an execution that ends in time has none any more', async () => {
    const id = await begin({ a: [] });
    await fireTimers(db, 100);
    expect(await readExecution(db, id)).toMatchObject({ status: 'open' });
    expect(await timers()).toEqual([{ kind: 'deadline' }]);
    await runAll(watcher);
    expect(await timers()).toEqual([]);
  });

  test('a paused execution has one too, and one that only a hand could move', async () => {
    const id = await begin({ a: [] });
    await makeControl(db).pause(which(id));
    const other = await begin({ a: [] });
    await db.pool.query('update kr_task_stat set exec_status = 2 where task_flow_id = $1', [other]);
    await fire();
    for (const one of [id, other]) expect(await readExecution(db, one)).toMatchObject({ status: 'failed' });
  });

  test('a failure that an edge would take is not taken any more', async () => {
    const id = await begin({ a: [], b: ['a'] });
    await db.pool.query(
      `update kr_task_stat set edges = '{failed}', revision = revision + 1 where task_flow_id = $1 and task_exec_seq = 2`,
      [id],
    );
    await fire();
    expect(await readExecution(db, id)).toMatchObject({ status: 'failed' });
    expect((await watcher.call()).claimed).toEqual([]);
  });

  test('executions that it started are aborted', async () => {
    const id = await begin({ a: [] });
    const child = await registerOne(db, await planFlow(db, makeSteps({ a: [] })), {
      parent: { id, seq: '1' },
    });
    await fire();
    expect(await readExecution(db, child)).toMatchObject({ status: 'aborted' });
  });

  test('a resume lifts it', async () => {
    const id = await begin({ a: [], b: ['a'] });
    await fire();
    await makeControl(db).resume(which(id));
    expect(await runAll(watcher)).toEqual([`${id}/1`, `${id}/2`]);
    expect(await readExecution(db, id)).toMatchObject({ status: 'success' });
    expect(await errorOf(id)).toMatchObject({ error: null });
  });

  test('it can be set, moved and lifted by SQL', async () => {
    const id = await registerOne(db, await planFlow(db, makeSteps({ a: [] })));
    const set = (time: string | null) =>
      db.pool.query('update kr_flow_stat set deadline_ts = $2 where task_flow_id = $1', [id, time]);
    await set('2100-01-01Z');
    expect(await timers()).toEqual([{ kind: 'deadline' }]);
    await set(null);
    expect(await timers()).toEqual([]);
    await set('2000-01-01Z');
    await fireTimers(db, 100);
    expect(await readExecution(db, id)).toMatchObject({ status: 'failed' });
  });

  test('rows deleted by hand take it with them', async () => {
    const id = await begin({ a: [] });
    await db.pool.query('delete from kr_task_stat where task_flow_id = $1', [id]);
    expect(await timers()).toEqual([]);
  });
});
