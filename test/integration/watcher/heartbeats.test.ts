// What running programs leave for the next attempt, whatever ends this one; on real watchers.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { rescueTasks } from '../../../src/sql/leases.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { defineFlow, makeTestRegistrar, type Registering, untilStatuses } from '../../support/flows.ts';
import { makeProbe } from '../../support/probe.ts';
import { setStatus } from '../../support/rows.ts';
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

const watch = () => startWatcher(database.url, [probe.program], { workers: 1 });
const begin = async (options = {}) => {
  await defineFlow(database.db, 'long', [{ program: 'probe', options }]);
  const id = await registrar.start('long');
  return { id, run: await probe.next() };
};
const kept = async () =>
  (await database.db.pool.query<{ checkpoint: unknown }>('select checkpoint from kr_task_stat')).rows[0]!
    .checkpoint;
const once = { retry: { limit: 1, delay: 1, jitter: 'none' } };

describe('a checkpoint that comes with a sign of life', () => {
  it('is there on the next attempt when the watcher dies in between', async () => {
    const dying = await watch();
    const { id, run } = await begin();
    for (const n of [1, 2, 3]) run.context.heartbeat({ n });
    await expect.poll(kept).toEqual({ n: 3 });
    run.context.heartbeat();
    await database.db.pool.query(`update kr_watcher set lease_until = now() - interval '1 second'`);
    await rescueTasks(database.db, 3);
    await watch();
    const again = await probe.next();
    expect(again.context.checkpoint).toEqual({ n: 3 });
    again.finish('whole');
    await untilStatuses(database.db, id, [3]);
    expect(await kept()).toBeNull();
    await dying.stop(0);
  });

  it('is there when the attempt fails at once, and is tried again', async () => {
    await watch();
    const { run } = await begin(once);
    run.context.heartbeat('first');
    run.context.heartbeat('last');
    run.fail(new Error('no luck'));
    const again = await probe.next();
    expect(again.context.checkpoint).toBe('last');
    again.finish();
  });

  it('is there when what failed is resumed, and gone when it is rerun from the start', async () => {
    await watch();
    const { id, run } = await begin();
    run.context.heartbeat({ page: 7 });
    run.fail(new Error('no luck'));
    await untilStatuses(database.db, id, [2]);
    await registrar.control.resume({ tenant: 'local', id });
    const resumed = await probe.next();
    expect(resumed.context.checkpoint).toEqual({ page: 7 });
    resumed.fail(new Error('no luck'));
    await untilStatuses(database.db, id, [2]);
    await registrar.control.rerun({ tenant: 'local', id, step: '1' });
    const rerun = await probe.next();
    expect(rerun.context.checkpoint).toBeNull();
    rerun.finish();
  });

  it('is there when a hand sets the task back, and when the watcher hands it back', async () => {
    const first = await watch();
    const { id, run } = await begin();
    run.context.heartbeat('one');
    await expect.poll(kept).toBe('one');
    await setStatus(database.db, id, 1, 0);
    const again = await probe.next();
    expect(again.context.checkpoint).toBe('one');
    again.context.heartbeat('two');
    await first.stop(0);
    expect(await kept()).toBe('two');
  });

  it('that cannot be stored is refused', async () => {
    await watch();
    const { run } = await begin();
    expect(() => run.context.heartbeat('\0')).toThrow('NUL');
    run.finish();
  });
});

describe('a step that asks for signs of life', () => {
  it('stops a program that gives none, and tries it again', async () => {
    await watch();
    const { run } = await begin({ timeout: { heartbeat: '50ms' }, ...once });
    const again = await probe.next();
    expect(run.context.signal.reason).toMatchObject({
      name: 'TimeoutError',
      message: 'probe gave no sign of life for 50 ms',
    });
    again.finish();
  });

  it('ends the wait for a callback that gives none, and goes on waiting for one that does', async () => {
    await watch();
    const { id, run } = await begin({ awaitCallback: true, timeout: { heartbeat: '1h' } });
    run.finish();
    await untilStatuses(database.db, id, [2]);
    const token = (await registrar.executions.read({ tenant: 'local', id })).tasks[0]!.callbackToken!;
    const due = async () =>
      (await database.db.pool.query<{ due: Date }>(`select due_ts due from kr_timer where kind = 'beat'`))
        .rows[0]!.due;
    const before = await due();
    await registrar.callbacks.beat(token);
    expect((await due()).getTime()).toBeGreaterThan(before.getTime());
    await database.db.pool.query('update kr_timer set due_ts = now()');
    await database.db.pool.query('select * from umbel_fire_v1(10)');
    await expect
      .poll(async () => (await registrar.executions.read({ tenant: 'local', id })).status)
      .toBe('failed');
    await expect(registrar.callbacks.beat(token)).rejects.toMatchObject({ code: 'CALLBACK_NOT_FOUND' });
  });
});
