import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeControl } from '../../../src/registrar/control.ts';
import type { Claimed } from '../../../src/sql/advance.ts';
import type { Database } from '../../../src/sql/database.ts';
import { rescueTasks } from '../../../src/sql/leases.ts';
import { sendSignal } from '../../../src/sql/signals.ts';
import { fireTimers } from '../../../src/sql/timers.ts';
import { createDatabase, servers, type TestDatabase } from '../../support/database.ts';
import { readExecution, readTask, setStatus } from '../../support/rows.ts';
import {
  awaiting,
  finished,
  joinWatcher,
  planFlow,
  registerMany,
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
    await db.pool.query('delete from kr_watcher');
    watcher = await joinWatcher(db);
  });

  const which = (id: string) => ({ tenant: 'local', id });
  const signal = (execution: string, name = 'go', value: string | null = null) =>
    sendSignal(db.kysely, { tenant: 'local', execution, name, value, by: 'ada', comment: 'fine' });
  const begin = async (after: Record<string, string[]> = { a: [] }) =>
    registerOne(db, await planFlow(db, makeSteps(after)));
  /** Takes what is ready and lets it wait for the signal. */
  const wait = async (rest: { timed?: boolean; default?: string } = {}) => {
    const { claimed } = await watcher.call();
    const ended = claimed.map((task) => awaiting(task, 'go', rest.timed ?? false));
    for (const { wait } of ended) if (rest.default !== undefined) wait!.default = rest.default;
    await watcher.call({ ended, want: 0 });
    return claimed;
  };
  const claim = async () => (await watcher.call()).claimed;
  const delivered = (tasks: Claimed[]) => tasks.map((task) => task.delivered?.value);
  const left = async () => {
    const { rows } = await db.pool.query(`
      select (select count(*)::int from kr_wait) waits, (select count(*)::int from kr_timer) timers,
             (select count(*)::int from kr_signal where task_exec_seq is null) kept`);
    return rows[0] as { waits: number; timers: number; kept: number };
  };
  const NOTHING = { waits: 0, timers: 0, kept: 0 };
  /** Lets every time come. */
  const fire = async () => {
    await db.pool.query('update kr_timer set due_ts = now()');
    await fireTimers(db, 100);
  };

  test('a task that waits stands at 2, holds nothing, and goes on with what came', async () => {
    const id = await begin({ a: [], b: ['a'] });
    await wait();
    expect(await readTask(db, id, 1)).toMatchObject({ status: 2, reason: 'signal', ready: false });
    expect(await readExecution(db, id)).toMatchObject({ status: 'open', active: 1 });
    expect(await claim()).toEqual([]);
    expect(await rescueTasks(db, 3)).toEqual([]);
    expect(await signal(id, 'go', 'now')).toBe('open');
    const [again] = await claim();
    expect(again!.delivered).toMatchObject({ kind: 'signal', value: 'now', by: 'ada', comment: 'fine' });
    await watcher.call({ ended: [finished(again!)], want: 0 });
    expect(await runAll(watcher)).toEqual([`${id}/2`]);
    expect(await readExecution(db, id)).toMatchObject({ status: 'success', active: 0 });
    expect(await left()).toEqual(NOTHING);
  });

  test('a signal of another name, or to another execution, changes nothing', async () => {
    const id = await begin();
    const other = await begin();
    await wait();
    await signal(id, 'stop');
    await signal(other, 'go');
    expect((await claim()).map(({ flow }) => flow)).toEqual([other]);
    expect(await readTask(db, id, 1)).toMatchObject({ status: 2 });
  });

  test('signals that come early are kept, and given out once, in order, to whoever waited first', async () => {
    const id = await begin({ a: [], b: [], c: [] });
    for (const value of ['one', 'two']) await signal(id, 'go', value);
    await wait();
    const tasks = await claim();
    const values = tasks.toSorted((a, b) => Number(a.seq) - Number(b.seq));
    expect(values.map(({ seq, delivered }) => [seq, delivered?.value])).toEqual([
      ['1', 'one'],
      ['2', 'two'],
    ]);
    await signal(id, 'go', 'three');
    expect(delivered(await claim())).toEqual(['three']);
    expect(await left()).toEqual(NOTHING);
  });

  test('a row of kr_signal written by hand is a signal; one to an unknown execution is refused', async () => {
    const id = await begin();
    await wait();
    await db.pool.query(`insert into kr_signal (task_flow_id, name, value) values ($1, 'go', '[1]')`, [id]);
    expect(delivered(await claim())).toEqual([[1]]);
    const lost = db.pool.query(`insert into kr_signal (task_flow_id, name) values ('nobody', 'go')`);
    await expect(lost).rejects.toThrow('there is no execution "nobody"');
  });

  test('an execution of another tenant, an unknown and an ended one take no signal', async () => {
    const id = await begin();
    const foreign = { execution: id, name: 'go', value: null, by: null, comment: null };
    expect(await sendSignal(db.kysely, { ...foreign, tenant: 'other' })).toBeNull();
    expect(await signal('nobody')).toBeNull();
    await runAll(watcher);
    expect(await signal(id)).toBe('success');
    expect(await left()).toEqual(NOTHING);
  });

  test('when the time is over the default is delivered, and without one a TimeoutError', async () => {
    const [id, other] = [await begin(), await begin()];
    const { claimed } = await watcher.call();
    const [first, second] = claimed.map((task) => awaiting(task, 'go', true));
    first!.wait!.default = 'nobody came';
    await watcher.call({ ended: [first!, second!], want: 0 });
    await fire();
    const tasks = new Map((await claim()).map((task) => [task.flow, task.delivered]));
    expect(tasks.get(id)).toEqual({ kind: 'signal', timedOut: true, value: 'nobody came' });
    expect(tasks.get(other)).toMatchObject({ error: { name: 'TimeoutError' } });
    expect(await left()).toEqual(NOTHING);
  });

  test('a signal in time takes the timer away', async () => {
    const id = await begin();
    await wait({ timed: true });
    await signal(id, 'go', 'in time');
    await fire();
    expect(delivered(await claim())).toEqual(['in time']);
  });

  test('in a paused execution a signal is delivered, and the task goes on when that is resumed', async () => {
    const id = await begin();
    await wait();
    const control = makeControl(db);
    await control.pause(which(id));
    expect(await signal(id, 'go', 'now')).toBe('paused');
    expect(await claim()).toEqual([]);
    await control.resume(which(id));
    expect(delivered(await claim())).toEqual(['now']);
  });

  test.each(['skip', 'abort', 'rerun'] as const)(
    '%s ends the waiting and leaves nothing behind',
    async (verb) => {
      const id = await begin();
      await wait({ timed: true });
      await makeControl(db)[verb]({ ...which(id), step: '1' });
      expect(await left()).toEqual(NOTHING);
      const [again] = await claim();
      expect(again?.delivered ?? null).toBeNull();
      expect(again?.attempt).toBe(verb === 'rerun' ? 2 : undefined);
    },
  );

  test('a rerun of a task that has got its signal waits for another', async () => {
    const id = await begin();
    await wait();
    await signal(id, 'go', 'first');
    await makeControl(db).rerun({ ...which(id), step: '1' });
    expect(delivered(await wait())).toEqual([undefined]);
    expect(await readTask(db, id, 1)).toMatchObject({ status: 2, reason: 'signal' });
  });

  test('deleted rows take waits, timers and signals with them', async () => {
    const id = await begin();
    await wait({ timed: true });
    await signal(id, 'early');
    await db.pool.query('delete from kr_task_stat where task_flow_id = $1', [id]);
    expect(await left()).toEqual(NOTHING);
    await begin();
    await wait({ timed: true });
    await db.pool.query('truncate kr_task_stat');
    expect(await left()).toEqual(NOTHING);
  });

  test('retention takes the signals of an execution with it', async () => {
    const id = await begin();
    await signal(id, 'early');
    await runAll(watcher);
    const { rows } = await db.pool.query(
      `select executions from umbel_prune_v1(now() + interval '1 hour', null, '-infinity', '', 10, 10)`,
    );
    expect(rows).toEqual([{ executions: 1 }]);
    expect(await left()).toEqual(NOTHING);
  });

  test('what came survives the death of the watcher that took the task', async () => {
    const id = await begin();
    await wait();
    await signal(id, 'go', 'kept');
    await claim();
    await db.pool.query(`update kr_watcher set lease_until = now() - interval '1 second'`);
    expect(await rescueTasks(db, 3)).toHaveLength(1);
    watcher = await joinWatcher(db);
    expect(delivered(await claim())).toEqual(['kept']);
  });

  test('an attempt that is tried again still sees the value, and the checkpoint', async () => {
    const id = await begin();
    const [task] = await claim();
    await watcher.call({ ended: [{ ...awaiting(task!, 'go'), checkpoint: '{"n": 1}' }], want: 0 });
    await signal(id, 'go', 'kept');
    await watcher.call({ ended: (await claim()).map((one) => toBeRetried(one)), want: 0 });
    await fire();
    const [again] = await claim();
    expect(again).toMatchObject({ checkpoint: '{"n": 1}', delivered: { value: 'kept' } });
  });

  test('an attempt that is tried again after a time-out waits anew', async () => {
    await begin();
    await wait({ timed: true });
    await fire();
    await watcher.call({ ended: (await claim()).map((one) => toBeRetried(one)), want: 0 });
    await fire();
    expect((await claim())[0]!.delivered).toBeNull();
  });

  test('an answer sent twice waits once', async () => {
    const id = await begin();
    const [task] = await claim();
    const ended = [awaiting(task!, 'go', true)];
    await watcher.call({ ended, want: 0 });
    expect((await watcher.call({ ended, want: 0 })).late).toEqual([]);
    expect(await left()).toEqual({ waits: 1, timers: 1, kept: 0 });
    await signal(id, 'go', 'one');
    expect((await watcher.call({ ended, want: 0 })).late).toEqual([{ flow: id, seq: '1' }]);
    expect(delivered(await claim())).toEqual(['one']);
  });

  test('a predecessor undone meanwhile holds the task back when its signal comes', async () => {
    const id = await begin({ a: [], b: ['a'] });
    const [a] = await claim();
    const { claimed } = await watcher.call({ ended: [finished(a!)] });
    await watcher.call({ ended: [awaiting(claimed[0]!, 'go')], want: 0 });
    await setStatus(db, id, 1, 0);
    await signal(id, 'go', 'kept');
    const tasks = await claim();
    expect(tasks.map(({ seq }) => seq)).toEqual(['1']);
    const next = await watcher.call({ ended: [finished(tasks[0]!)] });
    expect(delivered(next.claimed)).toEqual(['kept']);
  });

  test('signals sent while tasks begin to wait, while their time runs out and while they are edited all arrive once', async () => {
    const ids = await registerMany(db, await planFlow(db, makeSteps({ a: [] })), 40);
    const { claimed } = await watcher.call();
    await Promise.all([
      ...claimed.map((task) => watcher.call({ ended: [awaiting(task, 'go', true)], want: 0 })),
      ...ids.map((id) => signal(id, 'go', id)),
      ...ids.filter((_, at) => at % 5 === 0).map((id) => makeControl(db).pause(which(id))),
    ]);
    expect(await left()).toEqual(NOTHING);
    for (const id of ids) await makeControl(db).resume(which(id));
    const tasks = await claim();
    expect(tasks).toHaveLength(40);
    for (const { flow, delivered } of tasks) expect(delivered?.value).toBe(flow);

    await watcher.call({ ended: tasks.map((task) => awaiting(task, 'go', true)), want: 0 });
    await db.pool.query('update kr_timer set due_ts = now()');
    await Promise.all([fireTimers(db, 100), ...ids.map((id) => signal(id, 'go', id)), fireTimers(db, 100)]);
    const { kept, ...rest } = await left();
    expect(rest).toEqual({ waits: 0, timers: 0 });
    const again = await claim();
    expect(again).toHaveLength(40);
    expect(again.filter(({ delivered }) => delivered?.error)).toHaveLength(kept);
  });
});
