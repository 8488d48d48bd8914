import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../../src/sql/database.ts';
import { heartbeat, leaveWatchers, rescueTasks, returnStrays, returnTasks } from '../../../src/sql/leases.ts';
import { createDatabase, servers, type TestDatabase } from '../../support/database.ts';
import { inTransaction } from '../../support/hands.ts';
import { readClaims, readExecution, readTask, readTasks, setStatus } from '../../support/rows.ts';
import {
  finished,
  joinWatcher,
  planFlow,
  registerMany,
  registerOne,
  runAll,
  type TestWatcher,
} from '../../support/runs.ts';
import { makeSteps } from '../../support/steps.ts';

describe.each(servers())('on $name', ({ server }) => {
  let database: TestDatabase;
  let db: Database;
  let pool: string;
  let watcher: TestWatcher;
  beforeAll(async () => {
    database = await createDatabase({ server });
    db = database.db;
  });
  afterAll(() => database.drop());
  beforeEach(async () => {
    pool = randomUUID();
    watcher = await joinWatcher(db, pool);
  });

  const plan = (after: Record<string, string[]>) =>
    planFlow(
      db,
      makeSteps(after).map((step) => ({ ...step, pool })),
    );
  const register = async (after: Record<string, string[]>) => registerOne(db, await plan(after));
  const die = (id: number) =>
    db.pool.query(`update kr_watcher set lease_until = now() - interval '1 second' where watcher_id = $1`, [
      id,
    ]);
  const skip = (id: string, seq: number) =>
    db.pool.query(
      `update kr_task_stat set exec_status = 9, reason = 'skipped' where task_flow_id = $1 and task_exec_seq = $2`,
      [id, seq],
    );

  describe('a heartbeat', () => {
    test('renews the lease and counts the others of the pool', async () => {
      await joinWatcher(db, pool);
      await joinWatcher(db);
      await die(watcher.id);
      expect(await heartbeat(db, watcher.id, 60_000)).toEqual({ alive: true, others: 1 });
      expect(await rescueTasks(db, 3)).toEqual([]);
    });

    test('tells a watcher that was declared dead', async () => {
      await die(watcher.id);
      await rescueTasks(db, 3);
      expect(await heartbeat(db, watcher.id, 60_000)).toEqual({ alive: false, others: 0 });
      await expect(watcher.call()).rejects.toMatchObject({ code: 'UM001' });
    });
  });

  describe('rescue', () => {
    test('takes back what a dead watcher holds, claimed and handed over, and nothing else', async () => {
      const [one, two] = await registerMany(db, await plan({ a: [], b: ['a'] }), 2);
      const alive = await joinWatcher(db, pool);
      const { claimed } = await watcher.call({ want: 1 });
      await watcher.call({ ended: [finished(claimed[0]!)], want: 1, from: { priority: -20, flow: '!' } });
      await alive.call();
      await die(watcher.id);
      expect(await rescueTasks(db, 3)).toEqual([
        { watcher: watcher.id, flow: one, seq: '2', suspended: false },
      ]);
      expect(await readTask(db, one!, 2)).toMatchObject({
        status: 0,
        ready: true,
        watcher: null,
        lost: 1,
        attempt: 1,
      });
      expect(await readTask(db, two!, 1)).toMatchObject({ status: 1, watcher: alive.id });
      expect(await readClaims(db, watcher.id)).toEqual([]);
    });

    test('takes back what a watcher left behind that signed off', async () => {
      const id = await register({ a: [] });
      await watcher.call();
      await leaveWatchers(db, watcher.id);
      expect(await rescueTasks(db, 3)).toMatchObject([{ flow: id, seq: '1' }]);
      expect(await rescueTasks(db, 3)).toEqual([]);
    });

    test('suspends a task that was lost as often as the limit allows; run again it starts from none', async () => {
      const id = await register({ a: [], b: ['a'] });
      for (const suspended of [false, false, true]) {
        const doomed = await joinWatcher(db, pool);
        await doomed.call();
        await die(doomed.id);
        expect(await rescueTasks(db, 3)).toMatchObject([{ flow: id, seq: '1', suspended }]);
      }
      const row = await readTask(db, id, 1);
      expect(row).toMatchObject({
        status: 2,
        reason: 'failed',
        lost: 3,
        attempt: 3,
        error: { name: 'LostError' },
      });
      expect(row.suspended).not.toBeNull();
      expect(await readExecution(db, id)).toMatchObject({ status: 'failed', active: 0 });
      await setStatus(db, id, 1, 0);
      expect(await readTask(db, id, 1)).toMatchObject({ lost: 0, error: null });
      expect(await runAll(watcher)).toEqual([`${id}/1`, `${id}/2`]);
    });

    test('by several at once takes each task back once', async () => {
      const ids = await registerMany(db, await plan({ a: [] }), 50);
      await watcher.call();
      await die(watcher.id);
      const rescued = (await Promise.all(Array.from({ length: 6 }, () => rescueTasks(db, 3)))).flat();
      expect(rescued.map(({ flow }) => flow).toSorted()).toEqual(ids.toSorted());
    });

    test('finds also what a last call of the dead watcher takes after it', async () => {
      const id = await register({ a: [] });
      const late = inTransaction(db.pool, async (tx) => {
        const { claimed } = await watcher.call({}, tx);
        await die(watcher.id);
        expect(await rescueTasks(db, 3)).toEqual([]);
        return claimed;
      });
      expect(await late).toMatchObject([{ flow: id }]);
      expect(await rescueTasks(db, 3)).toMatchObject([{ flow: id, seq: '1' }]);
      expect(await readTask(db, id, 1)).toMatchObject({ status: 0, ready: true });
    });

    test('passes by what somebody keeps locked, and loses neither that nor what such a call commits meanwhile', async () => {
      const [first, second] = await registerMany(db, await plan({ a: [] }), 2);
      await watcher.call({ want: 1 });
      const blocker = await db.pool.connect();
      await blocker.query('begin');
      await blocker.query('select from kr_task_stat where task_flow_id = $1 for update', [first]);
      await die(watcher.id);
      const call = await db.pool.connect();
      await call.query('begin');
      await watcher.call({ from: { priority: 0, flow: second! } }, call);
      expect(await rescueTasks(db, 3)).toEqual([]);
      await call.query('commit');
      expect((await rescueTasks(db, 3)).map(({ flow }) => flow)).toEqual([second]);
      await blocker.query('commit');
      for (const client of [call, blocker]) client.release();
      expect((await rescueTasks(db, 3)).map(({ flow }) => flow)).toEqual([first]);
      expect(await rescueTasks(db, 3)).toEqual([]);
      expect(await readTask(db, second!, 1)).toMatchObject({ status: 0, ready: true });
    });

    test('leaves a task waiting whose predecessor was set back while it ran', async () => {
      const id = await register({ a: [], b: ['a'] });
      const { claimed } = await watcher.call();
      await watcher.call({ ended: [finished(claimed[0]!)] });
      await setStatus(db, id, 1, 0);
      await die(watcher.id);
      await rescueTasks(db, 3);
      expect(await readTask(db, id, 2)).toMatchObject({ status: 0, ready: false, waitingOn: 1 });
      expect(await readExecution(db, id)).toMatchObject({ status: 'open', active: 1 });
    });
  });

  describe('handing back', () => {
    test('makes tasks ready again; the attempt counts if it had begun', async () => {
      const id = await register({ a: [], b: [] });
      const { claimed } = await watcher.call();
      expect(await returnTasks(db, watcher.id, claimed.slice(0, 1), false)).toBe(1);
      expect(await returnTasks(db, watcher.id, claimed.slice(1), true)).toBe(1);
      const rows = await readTasks(db, id);
      expect(rows).toMatchObject([
        { status: 0, ready: true, watcher: null, started: null },
        { status: 0, ready: true, watcher: null, started: null },
      ]);
      expect(new Set(rows.map(({ attempt }) => attempt))).toEqual(new Set([0, 1]));
    });

    test('leaves alone what is not held any more', async () => {
      const id = await register({ a: [] });
      const { claimed } = await watcher.call();
      await setStatus(db, id, 1, 0);
      const other = await joinWatcher(db, pool);
      await other.call();
      expect(await returnTasks(db, watcher.id, claimed, false)).toBe(0);
      expect(await readTask(db, id, 1)).toMatchObject({ status: 1, watcher: other.id, attempt: 2 });
    });

    test('leaves alone what the same watcher has claimed anew', async () => {
      const id = await register({ a: [] });
      const { claimed } = await watcher.call();
      await setStatus(db, id, 1, 0);
      await watcher.call();
      expect(await returnTasks(db, watcher.id, claimed, false)).toBe(0);
      expect(await readTask(db, id, 1)).toMatchObject({ status: 1, attempt: 2 });
    });

    test('leaves a task waiting whose predecessor was set back while it ran', async () => {
      const id = await register({ a: [], b: ['a'] });
      const { claimed } = await watcher.call();
      const { claimed: second } = await watcher.call({ ended: [finished(claimed[0]!)] });
      await setStatus(db, id, 1, 0);
      await returnTasks(db, watcher.id, second, true);
      expect(await readTask(db, id, 2)).toMatchObject({ status: 0, ready: false, waitingOn: 1 });
      expect(await readExecution(db, id)).toMatchObject({ status: 'open', active: 1 });
      expect(await runAll(watcher)).toEqual([`${id}/1`, `${id}/2`]);
    });

    test('skips a task whose predecessors were all skipped while it ran', async () => {
      const id = await register({ a: [], b: ['a'], c: ['b'] });
      const { claimed } = await watcher.call();
      const { claimed: second } = await watcher.call({ ended: [finished(claimed[0]!)] });
      await skip(id, 1);
      expect(await readTask(db, id, 2)).toMatchObject({ status: 1, live: 0 });
      await returnTasks(db, watcher.id, second, true);
      expect((await readTasks(db, id)).map(({ reason }) => reason)).toEqual([
        'skipped',
        'skipped',
        'skipped',
      ]);
      expect(await readExecution(db, id)).toMatchObject({ status: 'success', active: 0 });
    });
  });

  describe('after a lost answer', () => {
    test('what the watcher does not know of goes back, what it knows of stays, and nobody has to close the batch', async () => {
      const ids = await registerMany(db, await plan({ a: [] }), 3);
      const { claimed: known } = await watcher.call({ want: 1 });
      await watcher.call();
      expect(await readClaims(db, watcher.id)).toEqual(['1/1', '2/1']);
      expect(await returnStrays(db, watcher.id, known)).toBe(2);
      expect(await readTask(db, ids[0]!, 1)).toMatchObject({ status: 1, attempt: 1 });
      expect(await readTask(db, ids[1]!, 1)).toMatchObject({ status: 0, ready: true, attempt: 0 });
      expect(await readClaims(db, watcher.id)).toEqual(['1/1']);
      expect(await returnStrays(db, watcher.id, known)).toBe(0);
    });

    test('the tasks of others stay where they are', async () => {
      await register({ a: [] });
      const other = await joinWatcher(db, pool);
      await other.call();
      expect(await returnStrays(db, watcher.id, [])).toBe(0);
      expect(await readClaims(db, other.id)).toEqual(['1/1']);
    });
  });
});
