// Steps that await a callback, on real watchers: whoever knows the token answers for the task, once, whatever was restarted meanwhile.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Callback } from '../../../src/programs/program.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { defineFlow, makeTestRegistrar, type Registering, untilStatuses } from '../../support/flows.ts';
import { makeProbe, type ProbeRun } from '../../support/probe.ts';
import { readTask, setStatus } from '../../support/rows.ts';
import { startWatcher, stopWatchers } from '../../support/watcher.ts';

let database: TestDatabase;
let registrar: Registering;
let probe: ReturnType<typeof makeProbe>;
beforeEach(async () => {
  database = await createDatabase();
  registrar = makeTestRegistrar(database.db);
  probe = makeProbe();
});
afterEach(async () => {
  await stopWatchers();
  await database.drop();
});

const publicUrl = 'https://umbel.example';
const watch = () => startWatcher(database.url, [probe.program], { workers: 1, publicUrl });
const which = (id: string) => ({ tenant: 'local', id });
const read = (id: string) => registrar.executions.read(which(id));
const task = (id: string) => readTask(database.db, id, 1);
const tokenOf = ({ context }: ProbeRun) => (context.callback as Callback).token;

/** Starts an execution whose first step awaits a callback, and whose second one comes after it. */
async function begin(options: Record<string, unknown> = {}): Promise<{ id: string; run: ProbeRun }> {
  await defineFlow(database.db, 'calls', [
    { program: 'probe', options: { awaitCallback: true, ...options } },
    { program: 'empty' },
  ]);
  const id = await registrar.start('calls');
  return { id, run: await probe.next() };
}

/** The same, and the program has succeeded. */
async function wait(options: Record<string, unknown> = {}): Promise<{ id: string; token: string }> {
  const { id, run } = await begin(options);
  run.finish('sent');
  await untilStatuses(database.db, id, [2, 0]);
  return { id, token: tokenOf(run) };
}

describe('a step that awaits its callback', () => {
  it('waits for it without a worker, shows the token, and has the result that was called back', async () => {
    await watch();
    const { id, token } = await wait();
    expect(await read(id)).toMatchObject({
      status: 'waiting',
      tasks: [{ reason: 'callback', callbackToken: token, why: 'waits for its callback' }, {}],
    });
    await defineFlow(database.db, 'other', [{ program: 'empty' }]);
    await untilStatuses(database.db, await registrar.start('other'), [3]);
    expect(await registrar.callbacks.complete(token, { n: 1 })).toEqual({ state: 'delivered' });
    await untilStatuses(database.db, id, [3, 3]);
    expect(await task(id)).toMatchObject({ result: { n: 1 } });
    expect((await read(id)).tasks[0]).not.toHaveProperty('callbackToken');
  });

  it('hands its program where to call back, with a token that nobody can guess', async () => {
    await watch();
    const { run } = await begin();
    const { url, token } = run.context.callback!;
    expect(token).toMatch(/^[\w-]{32}$/);
    expect(url).toBe(`https://umbel.example/tasks/${token}`);
    run.finish('sent');
  });

  it('keeps what is called back while the program still runs', async () => {
    await watch();
    const { id, run } = await begin();
    expect(await registrar.callbacks.complete(tokenOf(run), 'early')).toEqual({ state: 'kept' });
    await expect(registrar.callbacks.complete(tokenOf(run), 'again')).rejects.toMatchObject({
      code: 'CONFLICT',
    });
    run.finish('sent');
    await untilStatuses(database.db, id, [3, 3]);
    expect(await task(id)).toMatchObject({ result: 'early' });
  });

  it('takes one answer, however many come at once', async () => {
    await watch();
    const { id, token } = await wait();
    const answers = await Promise.allSettled(
      ['a', 'b', 'c', 'd'].map((value) => registrar.callbacks.complete(token, value)),
    );
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await untilStatuses(database.db, id, [3, 3]);
    const won = answers.findIndex(({ status }) => status === 'fulfilled');
    expect((await task(id)).result).toBe(['a', 'b', 'c', 'd'][won]);
    await expect(registrar.callbacks.complete(token, 'late')).rejects.toMatchObject({
      code: 'CALLBACK_NOT_FOUND',
    });
  });

  it('fails with the error that was called back', async () => {
    await watch();
    const { id, token } = await wait();
    await registrar.callbacks.fail(token, { name: 'PaymentError', message: 'no money', details: { n: 1 } });
    await expect.poll(async () => (await read(id)).status).toBe('failed');
    expect(await task(id)).toMatchObject({
      reason: 'failed',
      error: { name: 'PaymentError', message: 'no money', details: { n: 1 } },
    });
  });

  it('runs its program again when the step retries what was called back, with another token', async () => {
    await watch();
    const { id, token } = await wait({ retry: { limit: 1, delay: 1, jitter: 'none' } });
    await registrar.callbacks.fail(token, { name: 'PaymentError', message: 'no money' });
    const run = await probe.next();
    expect(run.context.attempt).toBe(3);
    expect(tokenOf(run)).not.toBe(token);
    run.finish('sent');
    await untilStatuses(database.db, id, [2, 0]);
    await registrar.callbacks.complete(tokenOf(run), 'paid');
    await untilStatuses(database.db, id, [3, 3]);
  });

  it('keeps its token from one attempt to the next', async () => {
    await watch();
    const { id, run } = await begin({ retry: { limit: 1, delay: 1, jitter: 'none' } });
    run.fail(new Error('no luck'));
    const again = await probe.next();
    expect(tokenOf(again)).toBe(tokenOf(run));
    again.finish('sent');
    await untilStatuses(database.db, id, [2, 0]);
  });

  it('does not wait when its program fails', async () => {
    await watch();
    const { id, run } = await begin();
    run.fail(new Error('no luck'));
    await expect.poll(async () => (await read(id)).status).toBe('failed');
    await expect(registrar.callbacks.complete(tokenOf(run), 1)).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  it('goes on when it is called back while every watcher is gone', async () => {
    const first = await watch();
    const { id, token } = await wait();
    await first.stop(1_000);
    await registrar.callbacks.complete(token, 'while you were away');
    await watch();
    await untilStatuses(database.db, id, [3, 3]);
    expect((await task(id)).result).toBe('while you were away');
  });

  it('that a hand sets aside takes no answer any more; run again it has another token', async () => {
    await watch();
    const { id, token } = await wait();
    await setStatus(database.db, id, 1, 9);
    await untilStatuses(database.db, id, [9, 3]);
    const late = () => registrar.callbacks.complete(token, 1);
    await expect(late()).rejects.toMatchObject({ code: 'CALLBACK_NOT_FOUND' });
    await registrar.control.rerun({ ...which(id), step: '1' });
    const run = await probe.next();
    expect(tokenOf(run)).not.toBe(token);
    await expect(late()).rejects.toMatchObject({ code: 'CALLBACK_NOT_FOUND' });
    run.finish('sent');
  });
});
