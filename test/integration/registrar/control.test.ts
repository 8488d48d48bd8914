import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeControl, type Control } from '../../../src/registrar/control.ts';
import type { Claimed } from '../../../src/sql/advance.ts';
import { createDatabase, servers, type TestDatabase } from '../../support/database.ts';
import { readExecution, readStatuses, readTask, readTasks, setStatus } from '../../support/rows.ts';
import { failed, finished, joinWatcher, planFlow, registerOne, runAll } from '../../support/runs.ts';
import { makeSteps } from '../../support/steps.ts';

describe.each(servers())('on $name', ({ server }) => {
  let database: TestDatabase;
  let control: Control;
  beforeAll(async () => {
    database = await createDatabase({ server });
    control = makeControl(database.db);
  });
  afterAll(() => database.drop());

  const which = (id: string) => ({ tenant: 'local', id });
  const query = (text: string, values: unknown[] = []) => database.db.pool.query(text, values);

  /** a → b → d, a → c → d on a pool of its own, and a watcher that serves it. */
  async function begin(options: { maxRunning?: number } = {}) {
    const pool = `pool-${Math.random()}`;
    const steps = makeSteps({ a: [], b: ['a'], c: ['a'], d: ['b', 'c'] }).map((step) => ({ ...step, pool }));
    const planned = await planFlow(database.db, steps, options);
    const watcher = await joinWatcher(database.db, pool);
    const id = await registerOne(database.db, planned);
    const take = async (ended: Parameters<typeof watcher.call>[0] = {}) =>
      (await watcher.call(ended)).claimed.toSorted((one, two) => Number(one.seq) - Number(two.seq));
    return { id, watcher, take, planned };
  }
  const seqs = (tasks: Claimed[]) => tasks.map(({ seq }) => Number(seq));

  describe('pause', () => {
    it('lets running tasks end, and neither hands over nor claims what they free', async () => {
      const { id, take, watcher } = await begin();
      const [a] = await take();
      expect(await control.pause(which(id))).toEqual({ id, status: 'paused' });
      expect(await readTask(database.db, id, 1)).toMatchObject({ status: 1, watcher: watcher.id });
      expect(await take({ ended: [finished(a!, '"done"')] })).toEqual([]);
      expect(await take()).toEqual([]);
      expect(await readTask(database.db, id, 1)).toMatchObject({ status: 3, result: 'done' });
      expect(await readExecution(database.db, id)).toMatchObject({ status: 'paused', active: 2 });
    });

    it('goes on where it stopped when it is resumed', async () => {
      const { id, take, watcher } = await begin();
      const [a] = await take();
      await control.pause(which(id));
      await take({ ended: [finished(a!)] });
      expect(await control.resume(which(id))).toEqual({ id, status: 'running' });
      const ran = await runAll(watcher);
      expect(ran).toHaveLength(3);
      expect(await readExecution(database.db, id)).toMatchObject({ status: 'success', active: 0 });
    });

    it('holds what comes back to Wait while it lasts', async () => {
      const { id, take } = await begin();
      const [a] = await take();
      await control.pause(which(id));
      const retry = { ...failed(a!), status: 'waiting' as const, reason: 'retry', delay: 0 };
      await take({ ended: [retry] });
      await query('select * from umbel_fire_v1(10)');
      expect(await take()).toEqual([]);
      await control.resume(which(id));
      expect(seqs(await take())).toEqual([1]);
    });

    it('ends as a success when it is resumed after its last task finished', async () => {
      const { id, take } = await begin();
      for (const seq of [2, 3, 4]) await setStatus(database.db, id, seq, 9);
      const [a] = await take();
      await control.pause(which(id));
      await take({ ended: [finished(a!)] });
      expect(await readExecution(database.db, id)).toMatchObject({ status: 'paused' });
      expect(await control.resume(which(id))).toMatchObject({ status: 'success' });
    });

    it('keeps the place of a flow with max_running; an abort gives it back', async () => {
      const { id, take, planned } = await begin({ maxRunning: 1 });
      await registerOne(database.db, planned);
      await control.pause(which(id));
      expect(await take()).toEqual([]);
      expect(await readExecution(database.db, id)).toMatchObject({ place: 1 });
      await control.abort(which(id));
      expect(await readExecution(database.db, id)).toMatchObject({ place: 2 });
      await query('select umbel_admit_v1($1)', [[planned.flow]]);
      expect(await take()).toHaveLength(1);
    });

    it('is done by SQL as well', async () => {
      const { id, take, watcher } = await begin();
      const set = (status: string) =>
        query('update kr_flow_stat set flow_status = $2 where task_flow_id = $1', [id, status]);
      await set('paused');
      expect(await take()).toEqual([]);
      await set('open');
      expect(await runAll(watcher)).toHaveLength(4);
      const { id: other, take: takeOther } = await begin();
      await takeOther();
      await query(`update kr_flow_stat set flow_status = 'aborted' where task_flow_id = $1`, [other]);
      expect(await readStatuses(database.db, other)).toEqual([9, 9, 9, 9]);
      await query(`update kr_flow_stat set flow_status = 'open' where task_flow_id = $1`, [other]);
      expect(seqs(await takeOther())).toEqual([1]);
    });
  });

  describe('resume', () => {
    it('retries what failed, keeps what finished, and gives the original input again', async () => {
      const { id, take, watcher } = await begin();
      await query(`update kr_task_stat set input = '"in"' where task_flow_id = $1 and task_exec_seq = 1`, [
        id,
      ]);
      const [a] = await take();
      const again = await take({ ended: [failed(a!)] });
      expect(again).toEqual([]);
      expect(await control.resume(which(id))).toMatchObject({ status: 'running' });
      const [retried] = await take();
      expect(retried).toMatchObject({ seq: '1', input: '"in"', attempt: 2 });
      const [b, c] = await take({ ended: [finished(retried!, '1')] });
      await take({ ended: [finished(b!, '2'), failed(c!)] });
      expect(await readExecution(database.db, id)).toMatchObject({ status: 'failed' });
      await control.resume(which(id));
      expect(await readStatuses(database.db, id)).toEqual([3, 3, 0, 0]);
      expect(await runAll(watcher)).toEqual([`${id}/3`, `${id}/4`]);
      expect((await readTasks(database.db, id)).map(({ attempt }) => attempt)).toEqual([2, 1, 2, 1]);
    });

    it('by two at once, of a failed one, runs what failed once', async () => {
      const { id, take } = await begin();
      const [a] = await take();
      await take({ ended: [failed(a!)] });
      await Promise.all([control.resume(which(id)), control.resume(which(id))]);
      expect(seqs(await take())).toEqual([1]);
      expect(await readExecution(database.db, id)).toMatchObject({ status: 'open', active: 1 });
    });

    it('of an aborted one does what was left', async () => {
      const { id, take, watcher } = await begin();
      const [a] = await take();
      await take({ ended: [finished(a!)] });
      await control.abort(which(id));
      expect(await readStatuses(database.db, id)).toEqual([3, 9, 9, 9]);
      expect(await control.resume(which(id))).toMatchObject({ status: 'running' });
      expect(await runAll(watcher)).toHaveLength(3);
      expect(await readExecution(database.db, id)).toMatchObject({ status: 'success' });
    });

    it('lets a task go on that a hand held or suspended', async () => {
      const { id, take } = await begin();
      await query('update kr_task_stat set hold = true where task_flow_id = $1', [id]);
      expect(await take()).toEqual([]);
      await control.resume(which(id));
      expect(seqs(await take())).toEqual([1]);
      await setStatus(database.db, id, 1, 2);
      expect(await control.resume(which(id))).toMatchObject({ status: 'running' });
      expect(seqs(await take())).toEqual([1]);
    });
  });

  describe('abort', () => {
    it('ends what runs and what waits, and what running programs answer later changes nothing', async () => {
      const { id, take } = await begin();
      const [a] = await take();
      const [b, c] = await take({ ended: [finished(a!)] });
      await take({ ended: [failed(b!)] });
      expect(await control.abort(which(id))).toEqual({ id, status: 'aborted' });
      await take({ ended: [finished(c!)] });
      expect((await readTasks(database.db, id)).map(({ status, reason }) => [status, reason])).toEqual([
        [3, null],
        [9, 'aborted'],
        [9, 'aborted'],
        [9, 'aborted'],
      ]);
      expect(await readExecution(database.db, id)).toMatchObject({ status: 'aborted', active: 0 });
    });

    it('passes to the executions that it started, and to theirs, and to no others', async () => {
      const executions = [await begin(), await begin(), await begin(), await begin()];
      const [parent, child, grandchild, ended] = executions.map(({ id }) => id);
      await runAll(executions[3]!.watcher);
      for (const [one, by] of [
        [child, parent],
        [grandchild, child],
        [ended, parent],
      ])
        // prettier-ignore
        await query('update kr_flow_stat set parent_flow_id = $2 where task_flow_id = $1', [one, by]);
      const { id: stranger } = await begin();
      await control.pause(which(child!));
      await control.abort(which(parent!));
      const status = async (id: string) => (await readExecution(database.db, id))?.status;
      expect(await Promise.all([parent!, child!, grandchild!, ended!, stranger].map(status))).toEqual([
        'aborted',
        'aborted',
        'aborted',
        'success',
        'open',
      ]);
    });

    it('is not undone by tasks that are handed back or whose watcher died', async () => {
      const { id, take, watcher } = await begin();
      const [a] = await take();
      await control.abort(which(id));
      await query('select umbel_return_v1($1, $2, $3, $4, true)', [watcher.id, [id], [1], [a!.attempt]]);
      await query('update kr_watcher set lease_until = now() where watcher_id = $1', [watcher.id]);
      await query('select umbel_rescue_v1(3)');
      expect(await readStatuses(database.db, id)).toEqual([9, 9, 9, 9]);
    });
  });

  describe('rerun', () => {
    it('does one task again with edited parameters, and nothing that comes after it', async () => {
      const { id, take, watcher } = await begin();
      await runAll(watcher);
      await query(`update kr_task_stat set parameters = '{"x": 1, "y": 1}' where task_flow_id = $1`, [id]);
      const rerun = { ...which(id), step: 'b', params: { y: 2 } };
      expect(await control.rerun(rerun)).toMatchObject({ status: 'running' });
      expect(await readStatuses(database.db, id)).toEqual([3, 0, 3, 3]);
      const [b] = await take();
      expect(JSON.parse(b!.parameters)).toEqual({ x: 1, y: 2 });
      expect(await readTask(database.db, id, 3)).toMatchObject({ parameters: { x: 1, y: 1 } });
      expect(await take({ ended: [finished(b!)] })).toEqual([]);
      expect(await readExecution(database.db, id)).toMatchObject({ status: 'success' });
    });

    it('does everything again that comes after it when asked, but what a hand decided', async () => {
      const { id, watcher } = await begin();
      await setStatus(database.db, id, 3, 9);
      await runAll(watcher);
      await control.rerun({ ...which(id), step: 'a', downstream: true });
      expect(await readStatuses(database.db, id)).toEqual([0, 0, 9, 0]);
      expect(await runAll(watcher)).toHaveLength(3);
    });

    it('takes a running task from its watcher', async () => {
      const { id, take } = await begin();
      const [first] = await take();
      await control.rerun({ ...which(id), step: 'a' });
      const [second] = await take();
      expect([first!.attempt, second!.attempt]).toEqual([1, 2]);
      await take({ ended: [finished(first!, '"late"')] });
      expect(await readTask(database.db, id, 1)).toMatchObject({ status: 1, result: null });
    });

    it('lifts the abort of an aborted execution', async () => {
      const { id, watcher } = await begin();
      await control.abort(which(id));
      expect(await control.rerun({ ...which(id), step: 'b' })).toMatchObject({ status: 'pending' });
      expect(await runAll(watcher)).toHaveLength(4);
    });

    it('stays held in a paused execution', async () => {
      const { id, take } = await begin();
      const [a] = await take();
      await control.pause(which(id));
      await take({ ended: [finished(a!)] });
      await control.rerun({ ...which(id), step: 'a' });
      expect(await take()).toEqual([]);
      await control.resume(which(id));
      expect(seqs(await take())).toEqual([1]);
    });

    it('of a task that waits for its retry begins it at once', async () => {
      const { id, take } = await begin();
      const [a] = await take();
      await take({ ended: [{ ...failed(a!), status: 'waiting', reason: 'retry', delay: 3_600_000 }] });
      expect(await take()).toEqual([]);
      await control.rerun({ ...which(id), step: 'a' });
      expect(seqs(await take())).toEqual([1]);
    });

    it('waits for a place again in a flow with max_running', async () => {
      const { id, planned, watcher, take } = await begin({ maxRunning: 1 });
      await runAll(watcher);
      await registerOne(database.db, planned);
      await control.rerun({ ...which(id), step: 'd' });
      expect(await readExecution(database.db, id)).toMatchObject({ place: 0 });
      expect((await take()).map(({ flow }) => flow)).not.toContain(id);
    });
  });

  describe('skip', () => {
    it.each(['waiting', 'running', 'failed'])('of a %s task lets the next ones go on', async (state) => {
      const { id, take } = await begin();
      const [a] = state === 'waiting' ? [] : await take();
      if (state === 'failed') await take({ ended: [failed(a!)] });
      await control.skip({ ...which(id), step: 'a' });
      expect(await readTask(database.db, id, 1)).toMatchObject({ status: 9, reason: 'operator' });
      expect(seqs(await take())).toEqual([2, 3]);
    });

    it('of a finished task is refused', async () => {
      const { id, watcher } = await begin();
      await runAll(watcher);
      await expect(control.skip({ ...which(id), step: 'a' })).rejects.toMatchObject({
        code: 'TASK_FINISHED',
        status: 409,
      });
    });

    it('counts for a task that was aborted, which leaves the others as they are', async () => {
      const { id } = await begin();
      await control.abort(which(id));
      for (const step of ['a', 'b', 'c'])
        expect(await control.skip({ ...which(id), step })).toMatchObject({ status: 'aborted' });
      expect(await control.skip({ ...which(id), step: '4' })).toMatchObject({ status: 'success' });
    });
  });

  describe('every verb', () => {
    const verbs = ['pause', 'resume', 'abort', 'rerun', 'skip'] as const;

    it.each(verbs)('%s does not find what is not there, or another tenant’s', async (verb) => {
      const { id } = await begin();
      const before = await readTasks(database.db, id);
      for (const who of [which('nowhere'), { tenant: 'other', id }])
        await expect(control[verb]({ ...who, step: 'a' })).rejects.toMatchObject({
          code: 'EXECUTION_NOT_FOUND',
          status: 404,
        });
      expect(await readTasks(database.db, id)).toEqual(before);
    });

    it('names a task that is not there', async () => {
      const { id } = await begin();
      for (const verb of ['rerun', 'skip'] as const)
        await expect(control[verb]({ ...which(id), step: 'z' })).rejects.toMatchObject({
          code: 'TASK_NOT_FOUND',
          status: 404,
        });
    });

    it.each([
      ['paused', 'pause', 'paused'],
      ['paused', 'abort', 'aborted'],
      ['open', 'resume', 'pending'],
      ['success', 'resume', 'success'],
      ['success', 'pause', 'EXECUTION_ENDED'],
      ['success', 'abort', 'EXECUTION_ENDED'],
      ['failed', 'pause', 'EXECUTION_ENDED'],
      ['failed', 'abort', 'aborted'],
      ['aborted', 'pause', 'EXECUTION_ENDED'],
      ['aborted', 'abort', 'aborted'],
    ] as const)('%s, %s: %s', async (state, verb, expected) => {
      const { id, take, watcher } = await begin();
      if (state === 'paused') await control.pause(which(id));
      if (state === 'aborted') await control.abort(which(id));
      if (state === 'success') await runAll(watcher);
      if (state === 'failed') await take({ ended: [failed((await take())[0]!)] });
      const answer = control[verb](which(id)).catch(({ code }: { code: string }) => ({ status: code }));
      expect(await answer).toMatchObject({ status: expected });
    });
  });
});
