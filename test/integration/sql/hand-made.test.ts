import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../../src/sql/database.ts';
import { createDatabase, servers, type TestDatabase } from '../../support/database.ts';
import { inTransaction, insertRows, untilBlocked } from '../../support/hands.ts';
import { readExecution, readStatuses, readTask, readTasks } from '../../support/rows.ts';
import { joinWatcher, planFlow, registerOne, runAll, type TestWatcher } from '../../support/runs.ts';
import { makeSteps } from '../../support/steps.ts';

describe.each(servers())('on $name', ({ server }) => {
  let database: TestDatabase;
  let db: Database;
  let watcher: TestWatcher;
  let id: string;
  beforeAll(async () => {
    database = await createDatabase({ server });
    db = database.db;
  });
  afterAll(() => database.drop());
  beforeEach(async () => {
    await db.pool.query('truncate kr_task_stat');
    watcher = await joinWatcher(db);
    id = `hand made ${randomUUID()}`;
  });

  const register = async (after: Record<string, string[]>) =>
    registerOne(db, await planFlow(db, makeSteps(after)));
  const edit = (set: string, ...seqs: number[]) =>
    db.pool.query(
      `update kr_task_stat set ${set} where task_flow_id = $1 and task_exec_seq = any ($2::numeric[])`,
      [id, seqs],
    );
  const ran = async () => (await runAll(watcher)).map((key) => Number(key.split('/')[1]));

  describe('rows inserted by hand', () => {
    test('run in order, in whatever order one transaction inserts them', async () => {
      await inTransaction(db.pool, async (tx) => {
        await insertRows(tx, id, [[3, 2]]);
        await insertRows(tx, id, [[1, -1]]);
        await insertRows(tx, id, [
          [4, 1],
          [2, 1],
        ]);
      });
      expect(await readExecution(db, id)).toMatchObject({ status: 'open', active: 1, place: null });
      const order = await ran();
      expect(order[0]).toBe(1);
      expect(order.indexOf(3)).toBeGreaterThan(order.indexOf(2));
      expect(order).toHaveLength(4);
      expect(await readExecution(db, id)).toMatchObject({ status: 'success', active: 0 });
    });

    test('cannot be claimed before they are committed', async () => {
      await inTransaction(db.pool, async (tx) => {
        await insertRows(tx, id, [[1, -1]]);
        expect((await watcher.call()).claimed).toEqual([]);
      });
      expect((await watcher.call()).claimed).toMatchObject([
        { flow: id, seq: '1', version: null, taskId: 'by hand', depends: [] },
      ]);
    });

    test('join an execution in later transactions, also one that had ended', async () => {
      await insertRows(db.pool, id, [[1, -1]]);
      await insertRows(db.pool, id, [[2, 1]]);
      expect(await readTask(db, id, 2)).toMatchObject({ ready: false, waitingOn: 1 });
      expect(await ran()).toEqual([1, 2]);
      await insertRows(db.pool, id, [[3, 2]]);
      expect(await readExecution(db, id)).toMatchObject({ status: 'open', active: 1, finished: null });
      expect(await ran()).toEqual([3]);
    });

    test('join a registered execution', async () => {
      id = await register({ a: [], b: ['a'] });
      await insertRows(db.pool, id, [
        [3, 1],
        [4, -1],
      ]);
      expect(await readTask(db, id, 1)).toMatchObject({ releases: [2, 3] });
      expect(new Set(await ran())).toEqual(new Set([1, 2, 3, 4]));
    });

    test('do not wait for a predecessor that is not there', async () => {
      await insertRows(db.pool, id, [[2, 1]]);
      expect(await ran()).toEqual([2]);
    });

    test('of two transactions that make one execution at once know of each other', async () => {
      const first = await db.pool.connect();
      await first.query('begin');
      await insertRows(first, id, [[1, -1]]);
      await first.query('set constraints all immediate');
      const second = insertRows(db.pool, id, [[2, 1]]);
      await untilBlocked(database);
      await first.query('commit');
      first.release();
      await second;
      expect(await readTask(db, id, 1)).toMatchObject({ ready: true, releases: [2] });
      expect(await readTask(db, id, 2)).toMatchObject({ ready: false, waitingOn: 1 });
    });

    test('of two transactions that add to one execution at once know of each other', async () => {
      await insertRows(db.pool, id, [[1, -1]]);
      const first = await db.pool.connect();
      await first.query('begin');
      await insertRows(first, id, [[2, 1]]);
      await first.query('set constraints all immediate');
      const second = insertRows(db.pool, id, [[3, 2]]);
      await untilBlocked(database);
      await first.query('commit');
      first.release();
      await second;
      expect(await readTask(db, id, 2)).toMatchObject({ waitingOn: 1, releases: [3] });
      expect(await ran()).toEqual([1, 2, 3]);
    });

    test('that claim to run, or to have stopped, wait or stand so by the operator', async () => {
      await db.pool.query(
        `insert into kr_task_stat (task_flow_id, task_exec_seq, depends_task_exec_seq, task_id, task_seq, exec_status, parameters)
         select $1, status + 1, -1, 'by hand', 1, status, '{}' from unnest(array[1, 2, 3, 9]) status`,
        [id],
      );
      expect(await readTasks(db, id)).toMatchObject([
        { status: 0, ready: true, reason: null },
        { status: 2, reason: 'operator' },
        { status: 3, reason: null },
        { status: 9, reason: 'operator' },
      ]);
      expect(await readExecution(db, id)).toMatchObject({ status: 'open', active: 1 });
    });
  });

  describe('a circle of hand-made rows', () => {
    test('is suspended with an error, and runs once it is corrected', async () => {
      await insertRows(db.pool, id, [
        [1, 2],
        [2, 1],
        [3, 3],
      ]);
      const rows = await readTasks(db, id);
      expect(rows.map(({ status, reason, error }) => [status, reason, error?.name])).toEqual(
        Array.from({ length: 3 }, () => [2, 'failed', 'DependencyError']),
      );
      expect(await readExecution(db, id)).toMatchObject({ status: 'failed', active: 0 });
      await edit('depends_task_exec_seq = -1, exec_status = 0', 1, 3);
      await edit('exec_status = 0', 2);
      expect((await readTasks(db, id)).map(({ error }) => error)).toEqual([null, null, null]);
      expect(new Set(await ran())).toEqual(new Set([1, 2, 3]));
    });

    test('is found when all that ran beside it has ended', async () => {
      await insertRows(db.pool, id, [
        [1, 2],
        [2, 1],
        [3, -1],
      ]);
      expect(await readExecution(db, id)).toMatchObject({ status: 'open', active: 1 });
      expect(await ran()).toEqual([3]);
      expect(await readStatuses(db, id)).toEqual([2, 2, 3]);
      expect(await readExecution(db, id)).toMatchObject({ status: 'failed', active: 0 });
    });
  });
});
