// Executions that tasks start with flow.execute, on real watchers: one child for each task, its end delivered whatever was restarted.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { defineFlow, makeTestRegistrar, type Registering, untilStatuses } from '../../support/flows.ts';
import { makeProbe } from '../../support/probe.ts';
import { readTask, setStatus } from '../../support/rows.ts';
import { startWatcher, stopWatchers } from '../../support/watcher.ts';

let database: TestDatabase;
let registrar: Registering;
let probe: ReturnType<typeof makeProbe>;
beforeEach(async () => {
  database = await createDatabase();
  registrar = makeTestRegistrar(database.db);
  probe = makeProbe();
  await defineFlow(database.db, 'child', [{ program: 'probe' }]);
});
afterEach(async () => {
  await stopWatchers();
  await database.drop();
});

const watch = (rest = {}) =>
  startWatcher(database.url, [probe.program], {
    workers: 1,
    startExecution: (request) => registrar.register(request),
    ...rest,
  });
const which = (id: string) => ({ tenant: 'local', id });
const read = (id: string) => registrar.executions.read(which(id));
const task = (id: string) => readTask(database.db, id, 1);
const children = async () => {
  const { rows } = await database.db.pool.query<{ id: string; parent: string; seq: number; status: string }>(
    `select task_flow_id id, parent_flow_id parent, parent_exec_seq::int seq, flow_status status from kr_flow_stat
     where parent_flow_id is not null order by registered_ts, task_flow_id`,
  );
  return rows;
};
/** Starts an execution whose first step executes the flow `child`. */
async function begin(options = {}, params = {}): Promise<string> {
  await defineFlow(database.db, 'parent', [
    { program: 'flow.execute', params: { flow: 'child', ...params }, options },
    { program: 'empty' },
  ]);
  return registrar.start('parent', { input: { n: 1 } });
}
const soon = { retry: { limit: 1, delay: 1, jitter: 'none' } };

describe('flow.execute', () => {
  it('starts an execution with its own input, waits for it without a worker, and has its result', async () => {
    await watch();
    const id = await begin();
    const run = await probe.next();
    expect(run.context.input).toEqual({ n: 1 });
    const [child] = await children();
    expect(child).toMatchObject({ parent: id, seq: 1, status: 'open' });
    expect(await read(id)).toMatchObject({
      status: 'waiting',
      tasks: [
        {
          reason: 'sub_execution',
          why: `waits for the execution ${child!.id} that it started`,
        },
        {},
      ],
    });
    expect(await read(child!.id)).toMatchObject({
      parent: id,
      trigger: { kind: 'flow', execution: id, flow: 'parent', step: '1' },
    });
    run.finish({ total: 2 });
    await untilStatuses(database.db, id, [3, 3]);
    expect((await task(id)).result).toEqual({ total: 2 });
  });

  it('gives the input that its parameters say', async () => {
    await watch();
    await begin({}, { input: ['other'] });
    const run = await probe.next();
    expect(run.context.input).toEqual(['other']);
    run.finish();
  });

  it('ends at once with the id when it is not to wait', async () => {
    await watch();
    const id = await begin({}, { wait: false });
    await untilStatuses(database.db, id, [3, 3]);
    const [child] = await children();
    expect((await task(id)).result).toEqual({ id: child!.id });
    (await probe.next()).finish();
    await untilStatuses(database.db, child!.id, [3]);
  });

  it('fails with the error of what it started, and starts another when its step retries', async () => {
    await watch();
    const id = await begin(soon);
    (await probe.next()).fail(Object.assign(new Error('no luck'), { name: 'LuckError' }));
    (await probe.next()).fail(Object.assign(new Error('no luck again'), { name: 'LuckError' }));
    await expect.poll(async () => (await read(id)).status).toBe('failed');
    expect((await task(id)).error).toMatchObject({ name: 'LuckError', message: 'no luck again' });
    expect(await children()).toHaveLength(2);
  });

  it('fails when what it started is aborted', async () => {
    await watch();
    const id = await begin();
    const run = await probe.next();
    const [child] = await children();
    await registrar.control.abort(which(child!.id));
    await expect.poll(async () => (await read(id)).status).toBe('failed');
    expect((await task(id)).error).toMatchObject({ name: 'CancelledError' });
    run.finish();
  });

  it('fails when what it started is deleted', async () => {
    await watch();
    const id = await begin();
    const run = await probe.next();
    await database.db.pool.query('delete from kr_task_stat where task_flow_id = $1', [
      (await children())[0]!.id,
    ]);
    await expect.poll(async () => (await read(id)).status).toBe('failed');
    expect((await task(id)).error).toMatchObject({ name: 'LostError' });
    run.finish();
  });

  it('says that there is no such flow, and that it starts itself too deep', async () => {
    await watch();
    const id = await begin({}, { flow: 'chidl' });
    await expect.poll(async () => (await read(id)).status).toBe('failed');
    expect((await task(id)).error).toMatchObject({
      name: 'StartError',
      message: 'there is no flow "chidl"',
      details: { code: 'FLOW_NOT_FOUND' },
    });
    await defineFlow(database.db, 'endless', [{ program: 'flow.execute', params: { flow: 'endless' } }]);
    const deep = await registrar.start('endless');
    await expect.poll(async () => (await read(deep)).status, { timeout: 20_000 }).toBe('failed');
    expect((await task(deep)).error?.message).toMatch(/32 deep here/);
    expect(await children()).toHaveLength(31);
  });

  it('starts no second one when the watcher dies between starting and recording it', async () => {
    let started = () => {};
    const isStarted = new Promise<void>((resolve) => (started = resolve));
    const first = await watch({
      startExecution: async (request: Parameters<Registering['register']>[0]) => {
        await registrar.register(request);
        started();
        return new Promise(() => {});
      },
    });
    const id = await begin();
    await isStarted;
    await database.db.pool.query(
      `update kr_task_stat set exec_status = 0, ready = true, watcher_id = null, revision = revision + 1
       where task_flow_id = $1 and task_exec_seq = 1`,
      [id],
    );
    await watch();
    await untilStatuses(database.db, id, [2, 0]);
    (await probe.next()).finish('once');
    await untilStatuses(database.db, id, [3, 3]);
    expect(await children()).toHaveLength(1);
    await first.stop(0);
  });

  it('has the result of one that ended before it waited, and of one that ended while every watcher was gone', async () => {
    const first = await watch();
    const id = await begin();
    const run = await probe.next();
    await untilStatuses(database.db, id, [2, 0]);
    const [child] = await children();
    await first.stop(0);
    await database.db.pool.query(
      `update kr_task_stat set exec_status = 3, result = '"by hand"' where task_flow_id = $1`,
      [child!.id],
    );
    run.finish();
    await watch();
    await untilStatuses(database.db, id, [3, 3]);
    expect((await task(id)).result).toBe('by hand');

    await defineFlow(database.db, 'quick', [{ program: 'empty' }]);
    await stopWatchers();
    await watch({
      workers: 2,
      startExecution: async (request: Parameters<Registering['register']>[0]) => {
        const answer = await registrar.register(request);
        await untilStatuses(database.db, answer.id, [3]);
        return answer;
      },
    });
    await defineFlow(database.db, 'patient', [
      { program: 'flow.execute', params: { flow: 'quick', input: 'early' } },
    ]);
    const patient = await registrar.start('patient');
    await untilStatuses(database.db, patient, [3]);
    expect((await task(patient)).result).toBe('early');
  });

  it('passes an abort down, and aborts what it started when a hand decides otherwise', async () => {
    await watch();
    const id = await begin();
    await probe.next();
    await registrar.control.abort(which(id));
    expect(await children()).toMatchObject([{ status: 'aborted' }]);

    const other = await registrar.start('parent');
    await probe.next();
    await setStatus(database.db, other, 1, 9);
    await untilStatuses(database.db, other, [9, 3]);
    expect(await children()).toMatchObject([{ status: 'aborted' }, { status: 'aborted' }]);
  });

  it('that is rerun starts another one, and the first is aborted', async () => {
    await watch();
    const id = await begin();
    await probe.next();
    await registrar.control.rerun({ ...which(id), step: '1' });
    (await probe.next()).finish('second');
    await untilStatuses(database.db, id, [3, 3]);
    expect((await task(id)).result).toBe('second');
    expect((await children()).map(({ status }) => status)).toEqual(['aborted', 'success']);
  });
});
