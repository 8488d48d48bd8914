import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { JsonObject } from '../../../src/dag/vocabulary.ts';
import { defineProgram } from '../../../src/programs/program.ts';
import { RetryAfter } from '../../../src/programs/program-error.ts';
import { Type } from '../../../src/index.ts';
import type { ExecuteRequest } from '../../../src/registrar/execute.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { makeTestRegistrar, type Registering, untilStatuses } from '../../support/flows.ts';
import { makeProbe } from '../../support/probe.ts';
import { until } from '../../support/service.ts';
import { joinWatcher } from '../../support/runs.ts';
import { takeTasks } from '../../../src/sql/slots.ts';
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

const query = async (text: string, values: unknown[] = []) =>
  (await database.db.pool.query<Record<string, unknown>>(text, values)).rows;
const define = (id: string, steps: JsonObject[]) =>
  registrar.flows.define({ tenant: 'local', flow: id }, { id, steps });
const start = (flow: string, rest: Partial<ExecuteRequest> = {}) =>
  registrar.execute.start({ flow, tenant: 'local', user: 'u', ...rest });
const startMany = async (
  flow: string,
  count: number,
  rest: (at: number) => Partial<ExecuteRequest> = () => ({}),
) => {
  const ids: string[] = [];
  for (let at = 0; at < count; at += 1) ids.push(await start(flow, rest(at)));
  return ids;
};
const untilAllEnded = (ids: string[], status = 'success') =>
  until(
    () => query('select flow_status from kr_flow_stat where task_flow_id = any ($1)', [ids]),
    (rows) => rows.every((row) => row['flow_status'] === status),
    40,
  );
const whyOf = async (id: string) => (await registrar.executions.read({ tenant: 'local', id })).tasks[0]!.why;

/** Remembers how many ran at once, in all and by the input's key. */
function makeMeter(ms = 5) {
  const now = new Map<string, number>();
  const most = new Map<string, number>();
  const starts: number[] = [];
  const program = defineProgram({
    name: 'meter',
    description: '',
    readsInput: true,
    params: Type.Object({}, { additionalProperties: true }),
    async run({ input }) {
      const key = (input as { key?: string } | null)?.key ?? '';
      starts.push(performance.now());
      now.set(key, (now.get(key) ?? 0) + 1);
      most.set(key, Math.max(most.get(key) ?? 0, now.get(key)!));
      await new Promise((resolve) => setTimeout(resolve, ms));
      now.set(key, now.get(key)! - 1);
    },
  });
  return { program, most, starts };
}

describe('concurrency of a step', () => {
  test('lets so many tasks run at once, whatever watchers there are, and all of them in the end', async () => {
    const meter = makeMeter();
    await define('narrow', [
      { id: 's', program: 'meter', concurrency: [{ key: '"one"', limit: 2 }] },
      { id: 't', program: 'empty', after: ['s'] },
    ]);
    const ids = await startMany('narrow', 30);
    await startWatcher(database.url, [meter.program]);
    await startWatcher(database.url, [meter.program]);
    await untilAllEnded(ids);
    expect(meter.most.get('')).toBe(2);
    expect(await query('select from kr_slot_queue')).toEqual([]);
  });

  test('counts each key by itself, which may come from the input', async () => {
    const meter = makeMeter();
    await startWatcher(database.url, [meter.program], { workers: 20 });
    await define('keyed', [
      { id: 'first', program: 'empty' },
      { id: 's', program: 'meter', after: ['first'], concurrency: [{ key: '$input.key', limit: 3 }] },
    ]);
    const ids = await startMany('keyed', 40, (at) => ({ input: { key: at % 2 === 0 ? 'a' : 'b' } }));
    await untilAllEnded(ids);
    expect([meter.most.get('a'), meter.most.get('b')]).toEqual([3, 3]);
  });

  test('is one name space for all flows of a tenant', async () => {
    const probe = makeProbe();
    await startWatcher(database.url, [probe.program]);
    const step = { id: 's', program: 'probe', concurrency: [{ key: '"shared"', limit: 1 }] };
    await define('a', [step]);
    await define('b', [step]);
    const first = await start('a');
    const run = await probe.next();
    const second = await start('b');
    await until(
      () => whyOf(second),
      (why) => why === `waits for a slot of "shared" (concurrency, at most 1 at once), held by ${first} (s)`,
    );
    run.finish();
    expect((await probe.next()).key).toBe(`${second}:1`);
  });

  test('takes the most urgent first, then the oldest', async () => {
    const probe = makeProbe();
    await startWatcher(database.url, [probe.program]);
    await define('f', [{ id: 's', program: 'probe', concurrency: [{ key: '"k"', limit: 1 }] }]);
    await start('f');
    const running = await probe.next();
    const [old, young, urgent] = [await start('f'), await start('f'), await start('f', { priority: -5 })];
    await until(
      () => query('select from kr_slot_queue'),
      (rows) => rows.length === 3,
    );
    running.finish();
    for (const id of [urgent, old, young]) {
      const run = await probe.next();
      expect(run.key).toBe(`${id}:1`);
      run.finish();
    }
  });

  test('needs a slot of each key, and holds none while it waits for another', async () => {
    const probe = makeProbe();
    await startWatcher(database.url, [probe.program]);
    const keyed = (key: string) => ({ key: `"${key}"`, limit: 1 });
    await define('x', [{ id: 's', program: 'probe', concurrency: [keyed('x')] }]);
    await define('y', [{ id: 's', program: 'probe', concurrency: [keyed('y')] }]);
    await define('both', [{ id: 's', program: 'probe', concurrency: [keyed('x'), keyed('y')] }]);
    await start('x');
    const holding = await probe.next();
    const both = await start('both');
    await until(
      () => whyOf(both),
      (why) => why?.includes('"x"') ?? false,
    );
    await start('y');
    const other = await probe.next();
    holding.finish();
    await until(
      () => whyOf(both),
      (why) => why?.includes('"y"') ?? false,
    );
    other.finish();
    expect((await probe.next()).key).toBe(`${both}:1`);
  });

  test('gives the slot back on failure, retry, sleep and abort', async () => {
    const probe = makeProbe();
    await startWatcher(database.url, [probe.program], { pollInterval: 200 });
    await define('f', [{ id: 's', program: 'probe', retry: 1, concurrency: [{ key: '"k"', limit: 1 }] }]);
    const [a, b, c] = await startMany('f', 3);
    const keyOf = async () => {
      const run = await probe.next();
      return { run, id: run.key.split(':')[0] };
    };
    const first = await keyOf();
    expect(first.id).toBe(a);
    first.run.fail(new RetryAfter('1h'));
    const second = await keyOf();
    expect(second.id).toBe(b);
    await registrar.control.abort({ tenant: 'local', id: b! });
    const third = await keyOf();
    expect(third.id).toBe(c);
    third.run.fail(new Error('no'));
    await query(`update kr_timer set due_ts = now()`);
    const retried = await keyOf();
    expect([retried.id === a || retried.id === c, retried.run.context.attempt]).toEqual([true, 2]);
  });

  test('frees what a watcher held that died', async () => {
    await define('f', [{ id: 's', program: 'empty', concurrency: [{ key: '"k"', limit: 1 }] }]);
    const ids = await startMany('f', 3);
    const dead = await joinWatcher(database.db);
    const limits = [{ slot: 'local\u001fkey:k\u001f', limit: 1, per: null }];
    const call = {
      watcher: dead.id,
      pool: 'default',
      want: 1,
      claim: 1,
      mine: new Map(),
      looks: true,
      after: '',
      peek: 0,
    };
    const candidates = [{ flow: ids[0]!, seq: '1', limits }];
    expect((await takeTasks(database.db, { ...call, candidates })).claimed).toHaveLength(1);
    await startWatcher(database.url, [], { lease: 600 });
    await until(
      () => whyOf(ids[1]!),
      (why) => why?.endsWith(`held by ${ids[0]} (s)`) ?? false,
    );
    await query('update kr_watcher set lease_until = now() where watcher_id = $1', [dead.id]);
    await untilAllEnded(ids);
  });

  test('holds for tasks that a hand inserts or edits', async () => {
    const meter = makeMeter();
    await startWatcher(database.url, [meter.program], { pollInterval: 100 });
    await define('f', [{ id: 's', program: 'meter', concurrency: [{ key: '"k"', limit: 1 }] }]);
    const ids = Array.from({ length: 5 }, (_, at) => `hand-${at}`);
    for (const id of ids)
      await query(
        `insert into kr_task_stat (task_flow_id, task_exec_seq, depends_task_exec_seq, task_id, task_seq, exec_status, parameters)
         values ($1, 1, -1, 'f', 1, 0, '{}')`,
        [id],
      );
    await untilAllEnded(ids);
    await query('update kr_task_stat set exec_status = 0');
    await untilAllEnded(ids);
    expect([meter.most.get(''), meter.starts.length]).toEqual([1, 10]);
  });

  test('does not hold up what has no limit', async () => {
    const probe = makeProbe();
    await startWatcher(database.url, [probe.program], { workers: 2 });
    await define('f', [{ id: 's', program: 'probe', concurrency: [{ key: '"k"', limit: 1 }] }]);
    await define('free', [{ id: 's', program: 'empty' }]);
    await startMany('f', 20);
    await probe.next();
    await untilAllEnded(await startMany('free', 20));
  });

  test('gets its share while unlimited work never ends', async () => {
    const meter = makeMeter(1);
    const busy = defineProgram({
      name: 'busy',
      description: '',
      run: () => new Promise<void>((resolve) => setTimeout(resolve, 20)),
    });
    await define('busy', [{ id: 's', program: 'busy' }]);
    await define('f', [{ id: 's', program: 'meter', concurrency: [{ key: '"k"', limit: 5 }] }]);
    await startMany('busy', 400);
    await startWatcher(database.url, [meter.program, busy], { workers: 2 });
    const ids = await startMany('f', 3);
    await untilAllEnded(ids);
    const [left] = await query(
      `select count(*)::int n from kr_flow_stat where task_id = 'busy' and flow_status = 'open'`,
    );
    expect(left!['n']).toBeGreaterThan(0);
  });

  test.each([
    ['nothing', '$input.missing', 'concurrency.key: must give text, and gives nothing'],
    ['an error', '$error("no key")', 'no key'],
  ])('a key that gives %s fails the task', async (_, key, message) => {
    await startWatcher(database.url, []);
    await define('f', [{ id: 's', program: 'empty', concurrency: [{ key, limit: 1 }] }]);
    const id = await start('f');
    await untilStatuses(database.db, id, [2]);
    const { tasks } = await registrar.executions.read({ tenant: 'local', id });
    expect(tasks[0]!.error).toMatchObject({
      name: 'ExpressionError',
      message: expect.stringContaining(message),
    });
  });
});

describe('concurrency of an execution', () => {
  test('lets so many of its tasks run at once', async () => {
    const meter = makeMeter();
    await startWatcher(database.url, [meter.program]);
    const ids = Array.from({ length: 12 }, (_, at) => `s${at}`);
    await define(
      'wide',
      ids.map((id) => ({ id, program: 'meter' })),
    );
    const id = await start('wide', { options: { concurrency: 3 } });
    await untilAllEnded([id]);
    expect(meter.most.get('')).toBe(3);
    const free = await start('wide');
    await untilAllEnded([free]);
    expect(meter.most.get('')).toBeGreaterThan(3);
  });
});

describe('rate of a step', () => {
  test('lets so many begin within its time', async () => {
    const meter = makeMeter(1);
    await startWatcher(database.url, [meter.program]);
    await define('f', [{ id: 's', program: 'meter', rate: { limit: 3, per: '300ms' } }]);
    const ids = await startMany('f', 10);
    await untilAllEnded(ids);
    const starts = meter.starts.toSorted((a, b) => a - b);
    expect(starts).toHaveLength(10);
    // A little less than the time: a start is counted when the task is taken, and begins a moment later.
    for (let at = 3; at < starts.length; at += 1) expect(starts[at]! - starts[at - 3]!).toBeGreaterThan(250);
  });
});
