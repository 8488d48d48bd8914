import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../../src/sql/database.ts';
import { listenForHints, type Hint } from '../../../src/sql/wake.ts';
import { createDatabase, servers, type TestDatabase } from '../../support/database.ts';
import { inTransaction } from '../../support/hands.ts';
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
