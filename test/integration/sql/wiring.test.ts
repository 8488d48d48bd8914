import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../../src/sql/database.ts';
import { listenForHints, type Hint } from '../../../src/sql/wake.ts';
import { createDatabase, servers, type TestDatabase } from '../../support/database.ts';
import { inTransaction, insertRows, untilBlocked } from '../../support/hands.ts';
import { readExecution, readStatuses, readTask, readTasks, setStatus } from '../../support/rows.ts';
import {
  failed,
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
  const remove = (...seqs: number[]) =>
    db.pool.query(
      'delete from kr_task_stat where task_flow_id = $1 and task_exec_seq = any ($2::numeric[])',
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
      expect((await ran()).toSorted()).toEqual([1, 2, 3, 4]);
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
      expect((await ran()).toSorted()).toEqual([1, 2, 3]);
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

  describe('an edit', () => {
    beforeEach(async () => {
      id = await register({ a: [], b: ['a'], c: ['a', 'b'] });
    });

    test('to 0 runs the task again, with its parameters edited in the same statement', async () => {
      await ran();
      await edit(`exec_status = 0, parameters = '{"A": "new"}'`, 1);
      expect(await readExecution(db, id)).toMatchObject({ status: 'open', active: 1, finished: null });
      const { claimed } = await watcher.call();
      expect(claimed).toMatchObject([{ seq: '1', attempt: 2, parameters: '{"A": "new"}' }]);
      expect(await readTask(db, id, 1)).toMatchObject({ finished: null, result: null });
      await runAll(watcher, claimed);
      expect(await readStatuses(db, id)).toEqual([3, 3, 3]);
      expect(await readExecution(db, id)).toMatchObject({ status: 'success' });
    });

    test('to 0 of a failed task lets its dependants go on once it is finished', async () => {
      const { claimed } = await watcher.call();
      await watcher.call({ ended: [failed(claimed[0]!)] });
      expect(await readExecution(db, id)).toMatchObject({ status: 'failed' });
      await edit('exec_status = 0', 1);
      expect(await readTask(db, id, 1)).toMatchObject({ reason: null, error: null, lost: 0 });
      expect(await ran()).toEqual([1, 2, 3]);
      expect(await readExecution(db, id)).toMatchObject({ status: 'success', active: 0 });
    });

    test('of a finished predecessor does not release its dependants a second time', async () => {
      const { claimed: a } = await watcher.call();
      const { claimed: b } = await watcher.call({ ended: [finished(a[0]!)] });
      await edit('exec_status = 0', 1);
      expect(await readTask(db, id, 3)).toMatchObject({ waitingOn: 2 });
      const { claimed: again } = await watcher.call();
      expect(again).toMatchObject([{ seq: '1', attempt: 2 }]);
      expect((await watcher.call({ ended: [finished(again[0]!)] })).claimed).toEqual([]);
      expect(await readTask(db, id, 3)).toMatchObject({ status: 0, ready: false, waitingOn: 1 });
      expect((await watcher.call({ ended: [finished(b[0]!)] })).claimed).toMatchObject([{ seq: '3' }]);
    });

    test.each([3, 9])('to %i skips the task, and its dependants run', async (status) => {
      await edit(`exec_status = ${status}`, 1);
      const { status: set, reason, finished } = await readTask(db, id, 1);
      expect({ set, reason }).toEqual({ set: status, reason: status === 9 ? 'operator' : null });
      expect(finished !== null).toBe(status === 3);
      expect(await ran()).toEqual([2, 3]);
    });

    test('of a running task to 9 stays, whatever its program answers', async () => {
      const { claimed } = await watcher.call();
      await edit('exec_status = 9', 1);
      expect((await watcher.call({ ended: [failed(claimed[0]!)], want: 0 })).late).toHaveLength(1);
      expect(await readTask(db, id, 1)).toMatchObject({ status: 9, reason: 'operator', error: null });
      expect(await ran()).toEqual([2, 3]);
    });

    test('to 9 with reason aborted holds its dependants back; a later reason lets them go', async () => {
      await edit(`exec_status = 9, reason = 'aborted'`, 1);
      expect(await ran()).toEqual([]);
      expect(await readExecution(db, id)).toMatchObject({ status: 'aborted', active: 0 });
      await edit(`reason = 'not_selected'`, 1);
      expect(await ran()).toEqual([2, 3]);
      expect(await readExecution(db, id)).toMatchObject({ status: 'success' });
    });

    test('to 9 with reason skipped skips what depends on nothing else', async () => {
      await edit(`exec_status = 9, reason = 'skipped'`, 1);
      expect((await readTasks(db, id)).map(({ status, reason }) => [status, reason])).toEqual(
        Array.from({ length: 3 }, () => [9, 'skipped']),
      );
      expect(await readExecution(db, id)).toMatchObject({ status: 'success', active: 0 });
    });

    test('to 2 suspends the task by the operator, and the execution stays open', async () => {
      await edit('exec_status = 2', 1);
      const row = await readTask(db, id, 1);
      expect(row).toMatchObject({ status: 2, reason: 'operator', ready: false });
      expect(row.suspended).not.toBeNull();
      expect(await readExecution(db, id)).toMatchObject({ status: 'open', active: 0, finished: null });
    });

    test('to 1 of a task that nobody runs lets it run', async () => {
      await edit('exec_status = 1', 1);
      expect(await readTask(db, id, 1)).toMatchObject({ status: 0, ready: true });
      await ran();
      await edit('exec_status = 1', 3);
      expect(await ran()).toEqual([3]);
    });

    test('that changes nothing leaves a running task to its watcher', async () => {
      const { claimed } = await watcher.call();
      await edit('exec_status = 1', 1);
      const { late } = await watcher.call({ ended: [finished(claimed[0]!)], want: 0 });
      expect(late).toEqual([]);
    });

    test('of the priority counts at the next claim', async () => {
      const other = await register({ a: [] });
      await db.pool.query('update kr_task_stat set task_priority = -1 where task_flow_id = $1', [other]);
      const { claimed } = await watcher.call({ want: 1 });
      expect(claimed).toMatchObject([{ flow: other, priority: -1 }]);
    });

    test('bumps the revision, as every write of the engine does', async () => {
      const revisions = async () => (await readTasks(db, id)).map(({ revision }) => revision);
      const first = await revisions();
      await edit('exec_status = 2', 1);
      const second = await revisions();
      expect(second[0]).toBeGreaterThan(first[0]!);
      await edit('exec_status = 0', 1);
      const third = await revisions();
      const { claimed } = await watcher.call();
      const fourth = await revisions();
      await watcher.call({ ended: [finished(claimed[0]!)], want: 0 });
      const fifth = await revisions();
      expect(new Set([second, third, fourth, fifth].map(([a]) => a)).size).toBe(4);
      expect(fifth[1]).toBeGreaterThan(fourth[1]!);
    });

    test('wakes whoever listens', async () => {
      let hear: (hint: Hint) => void = () => undefined;
      const heard = new Promise<Hint>((resolve) => (hear = resolve));
      const stop = await listenForHints(
        database.url,
        (hint) => hear(hint),
        () => undefined,
      );
      await edit('exec_status = 3', 1);
      expect(await heard).toEqual({ pool: 'default', priority: 0 });
      await stop();
    });

    test('that is rolled back changes nothing', async () => {
      const before = await readTasks(db, id);
      const undone = inTransaction(db.pool, async (tx) => {
        await tx.query('update kr_task_stat set exec_status = 9 where task_flow_id = $1', [id]);
        throw new Error('changed my mind');
      });
      await expect(undone).rejects.toThrow('changed my mind');
      expect(await readTasks(db, id)).toEqual(before);
    });
  });

  test('a statement that edits many rows wires each execution once', async () => {
    const flow = await planFlow(db, makeSteps({ a: [], b: ['a'], c: ['b'] }));
    const ids = await registerMany(db, flow, 4);
    const wirings = () =>
      inTransaction(db.pool, async (tx) => {
        const { rows } = await tx.query<{ calls: number }>(
          `select coalesce(sum(calls), 0)::int calls from pg_stat_user_functions where funcname = 'umbel_wire'`,
        );
        return rows[0]!.calls;
      });
    const counted = (statement: string) =>
      inTransaction(db.pool, async (tx) => {
        await tx.query(`set local track_functions = 'pl'`);
        await tx.query(statement, [ids]);
        await tx.query('set constraints all immediate');
        await tx.query('select pg_stat_force_next_flush()');
      });
    const start = await wirings();
    await counted('update kr_task_stat set exec_status = 2 where task_flow_id = any ($1)');
    expect((await wirings()) - start).toBe(4);
    await counted('delete from kr_task_stat where task_flow_id = any ($1) and task_exec_seq > 1');
    expect((await wirings()) - start).toBe(8);
  });

  describe('a deleted row', () => {
    beforeEach(async () => {
      id = await register({ a: [], b: ['a'], c: ['a', 'b'], d: ['c'] });
    });

    test('counts as satisfied', async () => {
      await remove(2);
      expect(await readTask(db, id, 3)).toMatchObject({ waitingOn: 1 });
      expect(await ran()).toEqual([1, 3, 4]);
      expect(await readExecution(db, id)).toMatchObject({ status: 'success' });
    });

    test('that was running lets its dependants go, and its answer is late', async () => {
      const { claimed } = await watcher.call();
      await remove(1);
      const answer = await watcher.call({ ended: [finished(claimed[0]!)] });
      expect(answer.late).toEqual([{ flow: id, seq: '1' }]);
      expect(answer.claimed).toMatchObject([{ seq: '2' }]);
    });

    test('is noticed though the row that was left to mark it is deleted next', async () => {
      const { claimed } = await watcher.call();
      await watcher.call({ ended: [finished(claimed[0]!)], want: 0 });
      await inTransaction(db.pool, async (tx) => {
        for (const seq of [2, 1])
          await tx.query('delete from kr_task_stat where task_flow_id = $1 and task_exec_seq = $2', [
            id,
            seq,
          ]);
      });
      expect(await ran()).toEqual([3, 4]);
    });

    test('beside a skipped predecessor lets the task run: not all of them were skipped', async () => {
      await inTransaction(db.pool, async (tx) => {
        await tx.query('delete from kr_task_stat where task_flow_id = $1 and task_exec_seq = 1', [id]);
        await tx.query(
          `update kr_task_stat set exec_status = 9, reason = 'skipped' where task_flow_id = $1 and task_exec_seq = 2`,
          [id],
        );
      });
      expect(await ran()).toEqual([3, 4]);
    });

    test('that was the last one takes the execution with it, whole or one by one', async () => {
      const other = await register({ a: [] });
      await runAll(watcher);
      await db.pool.query('delete from kr_task_stat where task_flow_id = $1', [other]);
      expect(await readExecution(db, other)).toBeUndefined();
      for (const seq of [1, 2, 3]) await remove(seq);
      expect(await readExecution(db, id)).toMatchObject({ status: 'success' });
      await remove(4);
      expect(await readExecution(db, id)).toBeUndefined();
    });
  });

  test('truncating the tasks takes the executions and the books along', async () => {
    id = await register({ a: [] });
    const { claimed } = await watcher.call();
    await db.pool.query('truncate kr_task_stat');
    expect(await readExecution(db, id)).toBeUndefined();
    expect((await watcher.call({ ended: [finished(claimed[0]!)] })).late).toHaveLength(1);
    const { rows } = await db.pool.query('select from kr_claim');
    expect(rows).toEqual([]);
  });

  test('an edit that lost a deadlock leaves nothing behind, and works when made again', async () => {
    const ids = [await register({ a: [] }), await register({ a: [] })];
    const clients = await Promise.all(ids.map(() => db.pool.connect()));
    const set = (at: number, flow: string) =>
      clients[at]!.query('update kr_task_stat set exec_status = 9 where task_flow_id = $1', [flow]);
    for (const [at, client] of clients.entries()) {
      await client.query('begin');
      await set(at, ids[at]!);
    }
    const results = await Promise.allSettled([set(0, ids[1]!), set(1, ids[0]!)]);
    const lost = results.findIndex(({ status }) => status === 'rejected');
    expect(results[lost]).toMatchObject({ reason: { code: '40P01' } });
    await clients[lost]!.query('rollback');
    await clients[1 - lost]!.query('commit');
    for (const client of clients) client.release();
    await setStatus(db, ids[lost]!, 1, 0);
    expect(await runAll(watcher)).toEqual([`${ids[lost]}/1`]);
  });
});

describe('the revision of a flow', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase();
  });
  afterAll(() => database.drop());

  test('is bumped by everything that changes its definition, and by nothing else', async () => {
    const { pool } = database.db;
    const revisions = async () => {
      const { rows } = await pool.query<{ task_id: string; revision: string }>(
        'select task_id, revision from ms_flow order by task_id',
      );
      return Object.fromEntries(rows.map(({ task_id, revision }) => [task_id, Number(revision)]));
    };
    await pool.query(
      `insert into ms_task_definition (task_id, task_seq, program) values ('x', 1, 'empty'), ('x', 2, 'empty'), ('y', 1, 'empty')`,
    );
    expect(await revisions()).toEqual({ x: 1, y: 1 });
    await pool.query(`insert into ms_task_definition (task_id, task_seq, program) values ('x', 3, 'empty')`);
    expect(await revisions()).toEqual({ x: 2, y: 1 });
    await pool.query(`update ms_task_definition set param1_key = 'A' where task_id = 'x'`);
    expect(await revisions()).toEqual({ x: 3, y: 1 });
    await pool.query(`update ms_task_definition set task_id = 'z' where task_id = 'y'`);
    expect(await revisions()).toEqual({ x: 3, y: 2, z: 1 });
    await pool.query(`delete from ms_task_definition where task_id = 'x' and task_seq = 3`);
    expect(await revisions()).toEqual({ x: 4, y: 2, z: 1 });
    await pool.query(`update ms_task_definition set program = 'other' where task_id = 'nobody'`);
    expect(await revisions()).toEqual({ x: 4, y: 2, z: 1 });
    await pool.query('truncate ms_task_definition');
    expect(await revisions()).toEqual({ x: 5, y: 3, z: 2 });
  });
});
