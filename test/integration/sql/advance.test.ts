import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Step } from '../../../src/dag/vocabulary.ts';
import { type Claimed, NOTHING_READY } from '../../../src/sql/advance.ts';
import type { Database } from '../../../src/sql/database.ts';
import { createDatabase, servers, type TestDatabase } from '../../support/database.ts';
import { readClaims, readExecution, readTask, readTasks, setStatus } from '../../support/rows.ts';
import {
  failed,
  finished,
  FURTHER_ON,
  joinWatcher,
  planFlow,
  registerMany,
  registerOne,
  type TestWatcher,
} from '../../support/runs.ts';
import { makeStep, makeSteps } from '../../support/steps.ts';

const keys = (tasks: { flow: string; seq: string }[]) => tasks.map(({ flow, seq }) => `${flow}/${seq}`);

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

  const inPool = (steps: Step[]) => steps.map((step) => ({ ...step, pool: step.pool ?? pool }));
  const plan = (after: Record<string, string[]>) => planFlow(db, inPool(makeSteps(after)));
  const single = () => plan({ a: [] });
  /** The same watcher's next call, about tasks that have ended. */
  const finish = (tasks: Claimed[], rest = {}) =>
    watcher.call({ ended: tasks.map((task) => finished(task)), ...rest });

  describe('claiming', () => {
    test('goes by priority, then by age of the execution, then the task further along first', async () => {
      const flow = await planFlow(db, inPool(['1', '2', '3'].map((seq) => makeStep({ seq }))));
      const [old, young] = await registerMany(db, flow, 2);
      const urgent = await registerOne(db, flow, { priority: -5 });
      const lazy = await registerOne(db, flow, { priority: 5 });
      const { claimed } = await watcher.call();
      const expected = [urgent, old, young, lazy].flatMap((id) => [`${id}/3`, `${id}/2`, `${id}/1`]);
      expect(keys(claimed)).toEqual(expected);
    });

    test('takes no more than it wants, and what another watcher took not again', async () => {
      const ids = await registerMany(db, await single(), 5);
      const other = await joinWatcher(db, pool);
      expect(keys((await watcher.call({ want: 2 })).claimed)).toEqual([`${ids[0]}/1`, `${ids[1]}/1`]);
      expect(keys((await other.call({ want: 2 })).claimed)).toEqual([`${ids[2]}/1`, `${ids[3]}/1`]);
      expect(keys((await watcher.call()).claimed)).toEqual([`${ids[4]}/1`]);
    });

    test('begins where it is told to', async () => {
      const flow = await single();
      const ids = await registerMany(db, flow, 3);
      const urgent = await registerOne(db, flow, { priority: -1 });
      const from = { priority: 0, flow: ids[1]! };
      expect(keys((await watcher.call({ from })).claimed)).toEqual([`${ids[1]}/1`, `${ids[2]}/1`]);
      expect(keys((await watcher.call()).claimed)).toEqual([`${urgent}/1`, `${ids[0]}/1`]);
    });

    test('takes nothing of another pool', async () => {
      await registerOne(db, await single());
      const stranger = await joinWatcher(db, randomUUID());
      expect((await stranger.call()).claimed).toEqual([]);
    });

    test('starts the clock of what begins at once, not of what is claimed ahead', async () => {
      const ids = await registerMany(db, await single(), 3);
      await watcher.call({ slots: 1 });
      const started = await Promise.all(ids.map(async (id) => (await readTask(db, id, 1)).started));
      expect(started.map((at) => at !== null)).toEqual([true, false, false]);
    });

    test('gives what the program needs to know', async () => {
      const flow = await planFlow(db, inPool([makeStep({ seq: '1.5', priority: 3, params: { A: 'b' } })]));
      const id = await registerOne(db, flow, { input: { n: [1] } });
      const { claimed } = await watcher.call();
      expect(claimed).toEqual([
        {
          flow: id,
          seq: '1',
          taskId: flow.flow,
          taskSeq: '1.5',
          priority: 3,
          attempt: 1,
          parameters: '{"A":"b"}',
          version: flow.version,
          input: '{"n": [1]}',
          depends: [],
          retried: 0,
          checkpoint: null,
          delivered: null,
          handedOver: false,
        },
      ]);
    });
  });

  describe('settling', () => {
    test('a finished attempt records its result and when it began and ended', async () => {
      const id = await registerOne(db, await single());
      const { claimed } = await watcher.call();
      await watcher.call({ ended: [{ ...finished(claimed[0]!, '{"ok": [1]}'), age: 60_000 }] });
      const row = await readTask(db, id, 1);
      expect(row).toMatchObject({
        status: 3,
        reason: null,
        result: { ok: [1] },
        error: null,
        suspended: null,
      });
      expect(row.finished!.getTime() - row.started!.getTime()).toBeGreaterThanOrEqual(60_000);
    });

    test('a failed attempt is suspended with its error, and its dependants stay', async () => {
      const id = await registerOne(db, await plan({ a: [], b: ['a'] }));
      const { claimed } = await watcher.call();
      expect((await watcher.call({ ended: [failed(claimed[0]!)] })).claimed).toEqual([]);
      const [a, b] = await readTasks(db, id);
      expect(a).toMatchObject({
        status: 2,
        reason: 'failed',
        finished: null,
        error: { name: 'ProgramError', message: 'no luck' },
      });
      expect(a!.suspended).not.toBeNull();
      expect(b).toMatchObject({ status: 0, ready: false, waitingOn: 1 });
    });

    test('tells which answers came too late, and changes nothing by them', async () => {
      const [edited, deleted, kept] = await registerMany(db, await single(), 3);
      const { claimed } = await watcher.call();
      await setStatus(db, edited!, 1, 9);
      await db.pool.query('delete from kr_task_stat where task_flow_id = $1', [deleted]);
      const { late } = await finish(claimed, { want: 0 });
      expect(keys(late).toSorted()).toEqual([`${edited}/1`, `${deleted}/1`].toSorted());
      expect(await readTask(db, edited!, 1)).toMatchObject({ status: 9, reason: 'operator', result: null });
      expect(await readTask(db, kept!, 1)).toMatchObject({ status: 3 });
    });

    test('refuses the answer of an earlier attempt, of the same watcher or another', async () => {
      const id = await registerOne(db, await single());
      const { claimed: first } = await watcher.call();
      await setStatus(db, id, 1, 0);
      const { claimed: second } = await watcher.call();
      expect(second).toMatchObject([{ attempt: 2 }]);
      expect(keys((await watcher.call({ ended: [failed(first[0]!)] })).late)).toEqual([`${id}/1`]);
      const other = await joinWatcher(db, pool);
      expect(keys((await other.call({ ended: [finished(second[0]!)] })).late)).toEqual([`${id}/1`]);
      expect(await readTask(db, id, 1)).toMatchObject({ status: 1, attempt: 2, watcher: watcher.id });
    });

    test('the same answer sent twice counts once and is not late', async () => {
      const id = await registerOne(db, await plan({ a: [], b: ['a'], c: ['a', 'b'] }));
      const { claimed } = await watcher.call();
      const again = { ended: [finished(claimed[0]!), finished(claimed[0]!)], want: 0 };
      expect((await watcher.call(again)).late).toEqual([]);
      expect((await watcher.call(again)).late).toEqual([]);
      expect((await readTasks(db, id)).map(({ waitingOn }) => waitingOn)).toEqual([0, 0, 1]);
    });

    test('a task that runs again shows nothing of its earlier attempt', async () => {
      const id = await registerOne(db, await plan({ a: [], b: ['a'] }));
      const { claimed } = await watcher.call();
      const { claimed: handed } = await finish(claimed);
      await watcher.call({ ended: [{ ...finished(handed[0]!), result: '1' }] });
      await setStatus(db, id, 1, 0);
      await setStatus(db, id, 2, 0);
      const { claimed: again } = await watcher.call();
      expect(keys((await finish(again)).claimed)).toEqual([`${id}/2`]);
      expect(await readTask(db, id, 2)).toMatchObject({
        status: 1,
        attempt: 2,
        finished: null,
        suspended: null,
        result: null,
        error: null,
      });
    });
  });

  describe('handing over', () => {
    test('gives freed dependants to the watcher that freed them, in the order of priority', async () => {
      const steps = makeSteps({ a: [], b: ['a'], c: ['a'], d: ['a'] });
      const flow = await planFlow(
        db,
        inPool(steps.map((step, at) => ({ ...step, priority: [0, 4, -4, 0][at]! }))),
      );
      const id = await registerOne(db, flow);
      const { claimed } = await watcher.call();
      const answer = await finish(claimed, { slots: 2, want: 2, from: FURTHER_ON });
      expect(keys(answer.claimed)).toEqual([`${id}/3`, `${id}/4`]);
      expect(await readTask(db, id, 2)).toMatchObject({ status: 0, ready: true });
    });

    test('starts the clock only of what begins at once', async () => {
      const id = await registerOne(db, await plan({ a: [], b: ['a'], c: ['a'] }));
      const { claimed } = await watcher.call();
      await finish(claimed, { slots: 1, want: 2, from: FURTHER_ON });
      const started = (await readTasks(db, id)).map(({ started }) => started !== null);
      expect(started.filter(Boolean)).toHaveLength(2);
    });

    test('leaves dependants less urgent than told to the claim', async () => {
      const flow = await plan({ a: [], b: ['a'] });
      const id = await registerOne(db, flow);
      const { claimed } = await watcher.call();
      const urgent = await registerMany(db, flow, 2, { priority: -3 });
      const answer = await finish(claimed, { slots: 1, want: 1, urgent: -3, from: FURTHER_ON });
      expect(keys(answer.claimed)).toEqual([`${urgent[0]}/1`]);
      expect(await readTask(db, id, 2)).toMatchObject({ status: 0, ready: true });
    });

    test('a look at the head tells what is most urgent there, and hands over nothing less urgent', async () => {
      const flow = await plan({ a: [], b: ['a'] });
      const id = await registerOne(db, flow);
      const { claimed } = await watcher.call();
      const urgent = await registerOne(db, flow, { priority: -3 });
      const answer = await finish(claimed, { slots: 1, want: 1 });
      expect(answer.mostUrgent).toBe(-3);
      expect(answer.claimed).toMatchObject([{ flow: urgent, handedOver: false }]);
      expect((await watcher.call()).claimed).toMatchObject([{ flow: id, seq: '2', handedOver: false }]);
      expect((await watcher.call()).mostUrgent).toBe(NOTHING_READY);
      expect((await watcher.call({ from: FURTHER_ON })).mostUrgent).toBeUndefined();
    });

    test('a paused dependant is neither handed over nor claimed until it is let go', async () => {
      const id = await registerOne(db, await plan({ a: [], b: ['a'] }));
      const hold = (on: boolean) =>
        db.pool.query('update kr_task_stat set hold = $2 where task_flow_id = $1', [id, on]);
      const { claimed } = await watcher.call();
      await hold(true);
      expect((await finish(claimed)).claimed).toEqual([]);
      expect(await readTask(db, id, 2)).toMatchObject({ status: 0, ready: false, waitingOn: 0 });
      expect(await readExecution(db, id)).toMatchObject({ status: 'open', active: 1 });
      await hold(false);
      expect(keys((await watcher.call()).claimed)).toEqual([`${id}/2`]);
    });

    test('a dependant of another pool becomes ready there', async () => {
      const elsewhere = randomUUID();
      const steps = inPool(makeSteps({ a: [], b: ['a'] }));
      const id = await registerOne(db, await planFlow(db, [steps[0]!, { ...steps[1]!, pool: elsewhere }]));
      const { claimed } = await watcher.call();
      expect((await finish(claimed)).claimed).toEqual([]);
      const other = await joinWatcher(db, elsewhere);
      expect(keys((await other.call()).claimed)).toEqual([`${id}/2`]);
    });

    test('hundreds of tasks in one call, each once', async () => {
      const wide = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`m${n}`, ['a']]));
      const flow = await plan({ a: [], ...wide, z: Object.keys(wide) });
      const id = await registerOne(db, flow);
      const { claimed: root } = await watcher.call();
      const { claimed: middle } = await finish(root);
      expect(new Set(keys(middle)).size).toBe(300);
      expect(keys((await finish(middle)).claimed)).toEqual([`${id}/302`]);
    });
  });

  describe('the books', () => {
    test('keep each batch until it is closed, handed over and claimed apart', async () => {
      await registerMany(db, await plan({ a: [], b: ['a'] }), 2);
      const { claimed } = await watcher.call({ want: 1 });
      const { claimed: second } = await finish(claimed, { want: 2 });
      expect(second).toHaveLength(2);
      expect(await readClaims(db, watcher.id)).toEqual(['1/1', '2/0', '2/1']);
      await finish(second, { closed: [1, 2], want: 0 });
      expect(await readClaims(db, watcher.id)).toEqual([]);
    });

    test('a call that takes nothing writes none', async () => {
      await watcher.call();
      expect(await readClaims(db, watcher.id)).toEqual([]);
    });
  });

  describe('an execution', () => {
    test('is open while anything can move, and counts what can', async () => {
      const id = await registerOne(db, await plan({ a: [], b: [], c: ['a', 'b'] }));
      expect(await readExecution(db, id)).toMatchObject({ status: 'open', active: 2, finished: null });
      const { claimed } = await watcher.call();
      await finish(claimed.slice(0, 1));
      expect(await readExecution(db, id)).toMatchObject({ status: 'open', active: 1 });
      const { claimed: last } = await finish(claimed.slice(1));
      expect(await readExecution(db, id)).toMatchObject({ status: 'open', active: 1, finished: null });
      await finish(last);
      const ended = await readExecution(db, id);
      expect(ended).toMatchObject({ status: 'success', active: 0 });
      expect(ended!.finished).not.toBeNull();
    });

    test('is failed once nothing but a failed task is left', async () => {
      const id = await registerOne(db, await plan({ a: [], b: [] }));
      const { claimed } = await watcher.call();
      await watcher.call({ ended: [failed(claimed[0]!)] });
      expect(await readExecution(db, id)).toMatchObject({ status: 'open', active: 1 });
      await watcher.call({ ended: [finished(claimed[1]!)] });
      expect(await readExecution(db, id)).toMatchObject({ status: 'failed', active: 0 });
    });

    test('stays open when an operator suspended what is left', async () => {
      const id = await registerOne(db, await plan({ a: [], b: [] }));
      const { claimed } = await watcher.call({ want: 1 });
      await setStatus(db, id, claimed[0]!.seq === '1' ? 2 : 1, 2);
      await finish(claimed);
      expect(await readExecution(db, id)).toMatchObject({ status: 'open', active: 0, finished: null });
    });

    test('is aborted when what is left waits for an aborted task', async () => {
      const id = await registerOne(db, await plan({ a: [], b: [], c: ['a', 'b'] }));
      const { claimed } = await watcher.call();
      await db.pool.query(
        `update kr_task_stat set exec_status = 9, reason = 'aborted' where task_flow_id = $1 and task_exec_seq = 1`,
        [id],
      );
      await finish(claimed);
      expect(await readTask(db, id, 3)).toMatchObject({ status: 0, ready: false, waitingOn: 1 });
      expect(await readExecution(db, id)).toMatchObject({ status: 'aborted', active: 0 });
    });

    test('is written only when its count changes: never along a chain', async () => {
      const id = await registerOne(db, await plan({ a: [], b: ['a'], c: ['b'] }));
      const versionOf = async () =>
        (await db.pool.query('select xmin::text from kr_flow_stat where task_flow_id = $1', [id])).rows[0];
      const before: unknown = await versionOf();
      const { claimed: a } = await watcher.call();
      const { claimed: b } = await finish(a);
      const { claimed: c } = await finish(b);
      expect(await versionOf()).toEqual(before);
      await finish(c);
      expect(await versionOf()).not.toEqual(before);
    });
  });

  test('a watcher that is not registered is refused, and nothing is settled', async () => {
    const id = await registerOne(db, await single());
    const { claimed } = await watcher.call();
    await db.pool.query('delete from kr_watcher where watcher_id = $1', [watcher.id]);
    await expect(finish(claimed)).rejects.toMatchObject({ code: 'UM001' });
    expect(await readTask(db, id, 1)).toMatchObject({ status: 1 });
  });

  test('an ended execution of a limited flow tells of the place that it gave back', async () => {
    const flow = await planFlow(db, inPool(makeSteps({ a: [] })), { maxRunning: 1 });
    await registerMany(db, flow, 2);
    const { claimed } = await watcher.call();
    expect(claimed).toHaveLength(1);
    expect((await finish(claimed)).freedPlaces).toEqual([flow.flow]);
  });
});
