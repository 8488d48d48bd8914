// Limits of all attempts together, and of waiting for the first; on real watchers.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { defineFlow, makeTestRegistrar, type Registering, untilStatuses } from '../../support/flows.ts';
import { makeProbe } from '../../support/probe.ts';
import { readTask } from '../../support/rows.ts';
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

const which = (id: string) => ({ tenant: 'local', id });
const watch = () => startWatcher(database.url, [probe.program], { workers: 2, pollInterval: 100 });
const begin = async (options: Record<string, unknown>, program = 'probe', params = {}) => {
  await defineFlow(database.db, 'limited', [{ program, options, params }]);
  return registrar.start('limited');
};
const untilFailed = async (id: string) => {
  await expect.poll(async () => (await registrar.executions.read(which(id))).status).toBe('failed');
  return (await readTask(database.db, id, 1)).error;
};
const query = (text: string) => database.db.pool.query(text);

describe('timeout: {total}', () => {
  it('stops an attempt that outlasts it, and tries no other', async () => {
    await watch();
    const id = await begin({ timeout: { total: '100ms' }, retry: { limit: 5, delay: '1m', jitter: 'none' } });
    expect(await untilFailed(id)).toMatchObject({ name: 'TimeoutError' });
    expect(probe.begun).toHaveLength(1);
  });

  it('tries nothing again that could begin only after it, and keeps the error that it had', async () => {
    await watch();
    const id = await begin({
      timeout: { total: '1m' },
      retry: { limit: 5, delay: '1h', maxDelay: '1h', jitter: 'none' },
    });
    (await probe.next()).fail(new Error('no luck'));
    expect(await untilFailed(id)).toMatchObject({ message: 'no luck' });
  });

  it('ends what is waited for', async () => {
    await watch();
    const id = await begin({ timeout: { total: '200ms' } }, 'signal.wait', { name: 'go' });
    expect(await untilFailed(id)).toMatchObject({ name: 'TimeoutError' });
  });

  it('ends a sleep', async () => {
    await watch();
    const id = await begin({ timeout: { total: '200ms' } }, 'timer.sleep', { duration: '1h' });
    expect(await untilFailed(id)).toMatchObject({
      name: 'TimeoutError',
      message: 'it did not end within 200 ms',
    });
  });

  it('goes on counting when the watcher dies, and begins anew with a rerun', async () => {
    const first = await watch();
    const id = await begin({ timeout: { total: '1h' } });
    await probe.next();
    await first.stop(0);
    await query(`update kr_limit set until_ts = now() - interval '1 second'`);
    await watch();
    expect(await untilFailed(id)).toMatchObject({ message: 'it did not end within 3600000 ms' });
    await registrar.control.rerun({ ...which(id), step: '1' });
    (await probe.next()).finish('in time');
    await untilStatuses(database.db, id, [3]);
  });

  it('lets an allowed failure be one', async () => {
    await watch();
    const id = await begin({ timeout: { total: '100ms' }, allowFail: true });
    await untilStatuses(database.db, id, [9]);
    expect(await readTask(database.db, id, 1)).toMatchObject({ reason: 'allowed_failure' });
  });
});

describe('timeout: {queue}', () => {
  it('fails what begins too late, and not what begins in time', async () => {
    const id = await begin({ timeout: { queue: '1h' } });
    const late = await registrar.start('limited');
    await query(
      `update kr_task_stat set registered_ts = now() - interval '2 hours', revision = revision + 1 where task_flow_id = '${late}'`,
    );
    await watch();
    expect(await untilFailed(late)).toMatchObject({
      name: 'TimeoutError',
      message: 'it did not begin within 3600000 ms',
    });
    (await probe.next()).finish();
    await untilStatuses(database.db, id, [3]);
    expect(probe.begun).toHaveLength(1);
  });

  it('counts from the end of the last predecessor', async () => {
    await defineFlow(database.db, 'chain', [
      { program: 'probe' },
      { program: 'empty', options: { timeout: { queue: '1h' } } },
    ]);
    const id = await registrar.start('chain');
    await query(
      `update kr_task_stat set registered_ts = now() - interval '2 hours', revision = revision + 1`,
    );
    await watch();
    (await probe.next()).finish();
    await untilStatuses(database.db, id, [3, 3]);
  });
});

it('the limits of a step beat those of its flow one by one', async () => {
  await defineFlow(database.db, 'both', [{ program: 'probe', options: { timeout: { total: '100ms' } } }]);
  await query(
    `update ms_flow set settings = '{"defaults": {"timeout": {"total": "1h", "queue": "1ms", "attempt": "1h"}}}'`,
  );
  const id = await registrar.start('both');
  await query(`update kr_task_stat set registered_ts = now() - interval '1 second', revision = revision + 1`);
  await watch();
  expect(await untilFailed(id)).toMatchObject({ message: 'it did not begin within 1 ms' });
});
