// What becomes of failing and sleeping tasks, on a real watcher: retries, allowFail, time-outs, timer.sleep.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { silentLogger } from '../../../src/log.ts';
import { builtinPrograms } from '../../support/builtin.ts';
import { defineProgram, type Context } from '../../../src/programs/program.ts';
import { NonRetryable } from '../../../src/programs/program-error.ts';
import { makeRegistry } from '../../../src/programs/registry.ts';
import { makeRegistrar } from '../../../src/registrar/registrar.ts';
import { makeWatcher, type Watcher } from '../../../src/watcher/watcher.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';

let base: TestDatabase;
let watcher: Watcher;
/** What the program `scripted` does at its next attempts. */
let script: ((context: Context) => unknown)[];

beforeEach(async () => {
  base = await createDatabase();
  script = [];
  const scripted = defineProgram({
    name: 'scripted',
    description: 'does what the test says',
    run: (context) => (script.shift() ?? (() => 'done'))(context as Context),
  });
  watcher = makeWatcher({
    db: base.db,
    url: base.url,
    registry: makeRegistry([...builtinPrograms, scripted]),
    log: silentLogger(),
    pool: 'default',
    workers: 4,
    pollInterval: 200,
    lease: 15_000,
    release: 'test',
  });
  await watcher.start();
});

afterEach(async () => {
  await watcher.stop(1_000);
  await base.drop();
});

async function define(steps: { program: string; options?: object; params?: object }[]): Promise<void> {
  for (const [at, { program, options, params }] of steps.entries()) {
    await base.db.pool.query(
      'insert into ms_task_definition (task_id, task_seq, program, options, params) values ($1, $2, $3, $4, $5)',
      ['flow', at + 1, program, options ?? null, params ?? null],
    );
  }
}

async function start(): Promise<string> {
  const { register } = makeRegistrar({ db: base.db, wake: (pool, priority) => watcher.hint(pool, priority) });
  return (await register({ flow: 'flow', tenant: 'local', trigger: null })).id;
}

interface Row {
  exec_status: string;
  reason: string | null;
  attempt: number;
  retried: number;
  result: unknown;
  error: { name: string; message: string } | null;
}

async function readRows(id: string): Promise<Row[]> {
  const { rows } = await base.db.pool.query<Row>(
    'select exec_status, reason, attempt, retried, result, error from kr_task_stat where task_flow_id = $1 order by task_exec_seq',
    [id],
  );
  return rows;
}

async function ended(id: string, status: string): Promise<Row[]> {
  await vi.waitFor(
    async () => {
      const { rows } = await base.db.pool.query(
        'select flow_status from kr_flow_stat where task_flow_id = $1',
        [id],
      );
      expect(rows).toEqual([{ flow_status: status }]);
    },
    { timeout: 10_000, interval: 10 },
  );
  return readRows(id);
}

const fail =
  (message = 'no luck') =>
  () => {
    throw new Error(message);
  };
const soon = { limit: 2, delay: '5ms', jitter: 'none' };

describe('a step with retry', () => {
  it('is tried again until it succeeds, and its dependants go on', async () => {
    await define([{ program: 'scripted', options: { retry: soon } }, { program: 'empty' }]);
    script = [fail(), fail(), () => 'third'];
    const [first, second] = await ended(await start(), 'success');
    expect(first).toMatchObject({ exec_status: '3', attempt: 3, retried: 2, result: 'third', error: null });
    expect(second).toMatchObject({ exec_status: '3', result: 'third' });
  });

  it('stands suspended with the last error after its limit', async () => {
    await define([{ program: 'scripted', options: { retry: soon } }]);
    script = [fail('one'), fail('two'), fail('three'), () => 'never'];
    const [row] = await ended(await start(), 'failed');
    expect(row).toMatchObject({
      exec_status: '2',
      reason: 'failed',
      attempt: 3,
      error: { message: 'three' },
    });
  });

  it('waits at Wait, with its error to be read and no slot held', async () => {
    await define([{ program: 'scripted', options: { retry: { limit: 1, delay: '1h', jitter: 'none' } } }]);
    script = [fail('later')];
    const id = await start();
    await vi.waitFor(async () =>
      expect((await readRows(id))[0]).toMatchObject({
        exec_status: '0',
        retried: 1,
        error: { message: 'later' },
      }),
    );
    const { rows } = await base.db.pool.query(
      "select kind, due_ts > now() + interval '50 minutes' far, (select active from kr_flow_stat) from kr_timer",
    );
    expect(rows).toEqual([{ kind: 'retry', far: true, active: 1 }]);
  });

  it('is not tried again when the program says that it is of no use', async () => {
    await define([{ program: 'scripted', options: { retry: soon } }]);
    script = [
      () => {
        throw new NonRetryable('gone for good');
      },
    ];
    expect((await ended(await start(), 'failed'))[0]).toMatchObject({
      attempt: 1,
      error: { message: 'gone for good' },
    });
  });

  it('runs at once when a hand sets it to Wait again', async () => {
    await define([{ program: 'scripted', options: { retry: { limit: 1, delay: '1h', jitter: 'none' } } }]);
    script = [fail()];
    const id = await start();
    await vi.waitFor(async () => expect((await readRows(id))[0]).toMatchObject({ retried: 1 }));
    await base.db.pool.query('update kr_task_stat set exec_status = 2');
    await base.db.pool.query('update kr_task_stat set exec_status = 0');
    expect((await ended(id, 'success'))[0]).toMatchObject({ exec_status: '3' });
    expect((await base.db.pool.query('select from kr_timer')).rowCount).toBe(0);
  });

  it('stays waiting when a hand edits another task of the execution', async () => {
    await define([
      { program: 'scripted', options: { retry: { limit: 1, delay: '1h', jitter: 'none' } } },
      { program: 'empty' },
    ]);
    script = [fail()];
    const id = await start();
    await vi.waitFor(async () => expect((await readRows(id))[0]).toMatchObject({ retried: 1 }));
    await base.db.pool.query('update kr_task_stat set exec_status = 9 where task_exec_seq = 2');
    const { rows } = await base.db.pool.query(
      'select ready, waiting_on from kr_task_stat where task_exec_seq = 1',
    );
    expect(rows).toEqual([{ ready: false, waiting_on: 0 }]);
  });
});

describe('a step with allowFail', () => {
  it('is ignored with its error, and its dependants go on', async () => {
    await define([{ program: 'scripted', options: { allowFail: true } }, { program: 'empty' }]);
    script = [fail('never mind')];
    const [first, second] = await ended(await start(), 'success');
    expect(first).toMatchObject({
      exec_status: '9',
      reason: 'allowed_failure',
      result: null,
      error: { message: 'never mind' },
    });
    expect(second).toMatchObject({ exec_status: '3', result: null });
  });
});

describe('a step with a timeout', () => {
  it('is stopped when the attempt takes longer', async () => {
    await define([{ program: 'scripted', options: { timeout: '20ms' } }]);
    script = [() => new Promise(() => {})];
    expect((await ended(await start(), 'failed'))[0]).toMatchObject({ error: { name: 'TimeoutError' } });
  });

  it('is tried again after a time-out when it says so', async () => {
    await define([{ program: 'scripted', options: { timeout: { attempt: '20ms' }, retry: soon } }]);
    script = [() => new Promise(() => {}), () => 'in time'];
    expect((await ended(await start(), 'success'))[0]).toMatchObject({ attempt: 2, result: 'in time' });
  });
});

describe('timer.sleep', () => {
  it('holds no worker while it sleeps, and then goes on', async () => {
    await define([{ program: 'timer.sleep', params: { duration: '300ms' } }, { program: 'empty' }]);
    const id = await start();
    await vi.waitFor(async () =>
      expect((await base.db.pool.query('select kind from kr_timer')).rows).toEqual([{ kind: 'sleep' }]),
    );
    expect((await readRows(id))[0]).toMatchObject({ exec_status: '0' });
    const [first] = await ended(id, 'success');
    expect(first).toMatchObject({ exec_status: '3', retried: 0, result: { until: expect.any(String) } });
  });
});
