// Tasks that wait for somebody, on real watchers that hear of it by hints alone: what waits holds no worker and survives every restart.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defineProgram } from '../../../src/programs/program.ts';
import { waitFor } from '../../../src/programs/wait-for.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { defineFlow, makeTestRegistrar, type Registering, untilStatuses } from '../../support/flows.ts';
import { readTask } from '../../support/rows.ts';
import { startWatcher, stopWatchers } from '../../support/watcher.ts';

let database: TestDatabase;
let registrar: Registering;
beforeEach(async () => {
  database = await createDatabase();
  registrar = makeTestRegistrar(database.db);
});
afterEach(async () => {
  await stopWatchers();
  await database.drop();
});

const haggle = defineProgram({
  name: 'haggle',
  description: 'collects two offers',
  run: ({ delivered, checkpoint }) => {
    const offers = [...((checkpoint as unknown[]) ?? []), ...(delivered ? [delivered.value] : [])];
    return offers.length < 2 ? waitFor({ signal: 'offer' }, offers as number[]) : offers;
  },
});

const watch = (rest = {}) => startWatcher(database.url, [haggle], { workers: 1, ...rest });
const which = (id: string) => ({ tenant: 'local', id });
const read = (id: string) => registrar.executions.read(which(id));
const task = (id: string, seq = 1) => readTask(database.db, id, seq);
const untilWaiting = (id: string) => untilStatuses(database.db, id, [2]);
const approve = (id: string, value: unknown) =>
  registrar.control.signal({ ...which(id), name: '1', value: value as string, by: 'ada', comment: 'fine' });

describe('signal.wait', () => {
  it('leaves its worker to others, says what it waits for, and gives the value of the signal', async () => {
    await watch();
    await defineFlow(database.db, 'asks', [{ program: 'signal.wait', params: { name: 'go' } }]);
    const id = await registrar.start('asks');
    await untilWaiting(id);
    await defineFlow(database.db, 'other', [{ program: 'empty' }]);
    await untilStatuses(database.db, await registrar.start('other'), [3]);
    expect(await read(id)).toMatchObject({
      status: 'waiting',
      tasks: [{ status: 'suspend', reason: 'signal', why: 'waits for the signal "go"' }],
    });
    await registrar.control.signal({ ...which(id), name: 'go', value: { n: [1] }, by: 'ada' });
    await untilStatuses(database.db, id, [3]);
    expect(await task(id)).toMatchObject({ result: { n: [1] }, reason: null, attempt: 2 });
  });

  it('goes on after every watcher was gone, when the signal came and when its time was over', async () => {
    const first = await watch();
    const params = { name: 'go', timeout: '1s', default: 'nobody came' };
    await defineFlow(database.db, 'asks', [{ program: 'signal.wait', params }]);
    const [signalled, late] = [await registrar.start('asks'), await registrar.start('asks')];
    await untilWaiting(signalled);
    await untilWaiting(late);
    expect((await read(late)).tasks[0]?.why).toMatch(/^waits for the signal "go" until \d{4}-/);
    await first.stop(1_000);
    await registrar.control.signal({ ...which(signalled), name: 'go', value: 'here', by: 'ada' });
    await watch();
    await untilStatuses(database.db, signalled, [3]);
    await untilStatuses(database.db, late, [3]);
    expect([(await task(signalled)).result, (await task(late)).result]).toEqual(['here', 'nobody came']);
  });

  it('fails with a TimeoutError without a default', async () => {
    await watch();
    await defineFlow(database.db, 'asks', [{ program: 'signal.wait', params: { name: 'go', timeout: 20 } }]);
    const id = await registrar.start('asks');
    await untilStatuses(database.db, id, [2]);
    await expect.poll(async () => (await read(id)).status).toBe('failed');
    expect(await task(id)).toMatchObject({ reason: 'failed', error: { name: 'TimeoutError' } });
  });

  it('refuses a timeout that is none', async () => {
    await watch();
    await defineFlow(database.db, 'asks', [
      { program: 'signal.wait', params: { name: 'go', timeout: 'soon' } },
    ]);
    const id = await registrar.start('asks');
    await expect.poll(async () => (await read(id)).status).toBe('failed');
    expect(await task(id)).toMatchObject({ error: { name: 'InvalidParametersError' } });
  });
});

describe('approval.wait', () => {
  const values: [unknown, boolean][] = [
    [true, true],
    [false, false],
    ['yes', false],
    [{ approved: true, price: 3 }, true],
    [{ approved: 'true' }, false],
  ];
  it.each(values)('takes %j for approved: %j, and keeps who said so', async (value, approved) => {
    await watch();
    await defineFlow(database.db, 'review', [{ program: 'approval.wait', params: { prompt: 'Ship it?' } }]);
    const id = await registrar.start('review');
    await untilWaiting(id);
    expect((await read(id)).tasks[0]?.why).toBe('waits for an approval, the signal "1"');
    await approve(id, value);
    await untilStatuses(database.db, id, [3]);
    expect((await task(id)).result).toEqual({ approved, by: 'ada', comment: 'fine', value });
  });

  it('that came before anybody asked counts', async () => {
    await defineFlow(database.db, 'review', [{ program: 'approval.wait' }]);
    const id = await registrar.start('review');
    await approve(id, true);
    await watch();
    await untilStatuses(database.db, id, [3]);
    expect((await task(id)).result).toMatchObject({ approved: true });
  });
});

describe('waitFor in a program', () => {
  it('waits as often as it likes, with a checkpoint from one to the next', async () => {
    await watch();
    await defineFlow(database.db, 'haggles', [{ program: 'haggle' }]);
    const id = await registrar.start('haggles');
    for (const value of [1, 2]) {
      await registrar.control.signal({ ...which(id), name: 'offer', value, by: 'ada' });
    }
    await untilStatuses(database.db, id, [3]);
    expect(await task(id)).toMatchObject({ result: [1, 2], attempt: 3 });
  });
});

describe('resume with input', () => {
  const two = (names: string[]) =>
    names.map((name) => ({ program: 'signal.wait', params: { name }, depends: [] }));

  it('signals the one thing that is waited for', async () => {
    await watch();
    await defineFlow(database.db, 'asks', two(['go']));
    const id = await registrar.start('asks');
    await untilWaiting(id);
    await registrar.control.resume({ ...which(id), input: { a: 1 }, by: 'ada' });
    await untilStatuses(database.db, id, [3]);
    expect((await task(id)).result).toEqual({ a: 1 });
  });

  it('is refused when nothing or several things are waited for', async () => {
    await watch();
    await defineFlow(database.db, 'asks', two(['go', 'stop']));
    const id = await registrar.start('asks');
    await untilStatuses(database.db, id, [2, 2]);
    const resume = (of: string) => registrar.control.resume({ ...which(of), input: 1 });
    await expect(resume(id)).rejects.toThrow('several signals (go, stop)');
    await defineFlow(database.db, 'plain', [{ program: 'empty', pool: 'nobody' }]);
    await expect(resume(await registrar.start('plain'))).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(resume('nobody')).rejects.toMatchObject({ code: 'EXECUTION_NOT_FOUND' });
  });
});

describe('a signal', () => {
  it('to an execution that has ended, or that nobody knows, is refused', async () => {
    await watch();
    await defineFlow(database.db, 'plain', [{ program: 'empty' }]);
    const id = await registrar.start('plain');
    await untilStatuses(database.db, id, [3]);
    const send = (of: string) => registrar.control.signal({ ...which(of), name: 'go', value: null });
    await expect(send(id)).rejects.toMatchObject({ code: 'EXECUTION_ENDED' });
    await expect(send('nobody')).rejects.toMatchObject({ code: 'EXECUTION_NOT_FOUND' });
  });
});
