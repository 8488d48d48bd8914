import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { defineProgram } from '../../../src/programs/program.ts';
import { admitExecutions } from '../../../src/sql/admit.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { defineFlow, makeTestRegistrar, type Registering, untilStatuses } from '../../support/flows.ts';
import { insertRows } from '../../support/hands.ts';
import { makeProbe } from '../../support/probe.ts';
import { readStatuses, readTask, readTasks } from '../../support/rows.ts';
import { until } from '../../support/service.ts';
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

const query = (text: string, values: unknown[] = []) => database.db.pool.query(text, values);

describe('order', () => {
  test('a chain runs one after the other, and nothing runs while its predecessor does', async () => {
    const probe = makeProbe();
    await startWatcher(database.url, [probe.program]);
    await defineFlow(database.db, 'chain', [
      { program: 'probe' },
      { program: 'probe' },
      { program: 'probe' },
    ]);
    const id = await registrar.start('chain');
    for (const statuses of [
      [1, 0, 0],
      [3, 1, 0],
      [3, 3, 1],
    ]) {
      const run = await probe.next();
      expect(await readStatuses(database.db, id)).toEqual(statuses);
      run.finish();
    }
    await untilStatuses(database.db, id, [3, 3, 3]);
    const tasks = await readTasks(database.db, id);
    for (const [at, { started, finished, suspended }] of tasks.entries()) {
      expect(suspended).toBeNull();
      expect(finished!.getTime()).toBeGreaterThanOrEqual(started!.getTime());
      expect(started!.getTime()).toBeGreaterThanOrEqual(tasks[at - 1]?.finished?.getTime() ?? 0);
    }
  });

  test('a join waits for all of its predecessors and gets their results by step', async () => {
    const probe = makeProbe();
    await startWatcher(database.url, [probe.program]);
    await defineFlow(database.db, 'diamond', [
      { program: 'probe' },
      { program: 'probe', depends: [1] },
      { program: 'probe', depends: [1] },
      { program: 'probe', depends: [2, 3] },
    ]);
    const id = await registrar.start('diamond', { input: { first: true } });
    const root = await probe.next();
    expect(root.context.input).toEqual({ first: true });
    root.finish('root');
    const [left, right] = [await probe.next(), await probe.next()];
    expect([left.context.input, right.context.input]).toEqual(['root', 'root']);
    left.finish(left.key);
    await untilStatuses(database.db, id, [
      3,
      left.key.endsWith(':2') ? 3 : 1,
      left.key.endsWith(':2') ? 1 : 3,
      0,
    ]);
    right.finish(right.key);
    const join = await probe.next();
    expect(join.context.input).toEqual({ 2: `${id}:2`, 3: `${id}:3` });
    join.finish();
    await untilStatuses(database.db, id, [3, 3, 3, 3]);
  });

  test('the smaller priority goes first, then the oldest execution, within it the task further along', async () => {
    const probe = makeProbe();
    await defineFlow(database.db, 'plain', [{ program: 'probe' }]);
    await defineFlow(database.db, 'wide', [
      { program: 'probe', depends: [] },
      { program: 'probe', depends: [] },
    ]);
    const late = await registrar.start('plain', { priority: 19 });
    const [older, younger] = [await registrar.start('wide'), await registrar.start('plain')];
    const urgent = await registrar.start('plain', { priority: -20 });
    await startWatcher(database.url, [probe.program], { workers: 1 });
    const order: string[] = [];
    for (let at = 0; at < 5; at += 1) {
      const run = await probe.next();
      order.push(run.key);
      run.finish();
    }
    expect(order).toEqual([`${urgent}:1`, `${older}:2`, `${older}:1`, `${younger}:1`, `${late}:1`]);
  });

  test('something more urgent overtakes the next step of a chain that runs', async () => {
    const probe = makeProbe();
    const watcher = await startWatcher(database.url, [probe.program], { workers: 1 });
    await defineFlow(database.db, 'chain', [{ program: 'probe' }, { program: 'probe' }]);
    const id = await registrar.start('chain', { priority: 5 });
    const first = await probe.next();
    // Of programs that end within milliseconds a few are claimed ahead; this one is none of those.
    await until(
      async () =>
        (await query(`select from kr_task_stat where started_ts < clock_timestamp() - interval '50 ms'`))
          .rowCount,
      (count) => count === 1,
    );
    const urgent = await registrar.start('chain', { priority: -5 });
    watcher.hint('default', -5);
    first.finish();
    const order = [];
    for (let at = 0; at < 3; at += 1) {
      const run = await probe.next();
      order.push(run.key);
      run.finish();
    }
    expect(order).toEqual([`${urgent}:1`, `${urgent}:2`, `${id}:2`]);
  });
});

describe('how much at once', () => {
  test('never more than its workers, and as many as those', async () => {
    const probe = makeProbe();
    await startWatcher(database.url, [probe.program], { workers: 3 });
    await defineFlow(database.db, 'one', [{ program: 'probe' }]);
    const ids = await Promise.all(Array.from({ length: 8 }, () => registrar.start('one')));
    const open = [await probe.next(), await probe.next(), await probe.next()];
    const atOnce: number[] = [];
    for (let finished = 1; finished <= 5; finished += 1) {
      open.shift()!.finish();
      open.push(await probe.next());
      atOnce.push(probe.begun.length - finished);
    }
    for (const run of open) run.finish();
    for (const id of ids) await untilStatuses(database.db, id, [3]);
    expect(atOnce).toEqual([3, 3, 3, 3, 3]);
    expect(new Set(probe.begun.map(({ key }) => key)).size).toBe(8);
  });

  test('only tasks of its pool', async () => {
    const [mine, theirs] = [makeProbe('mine'), makeProbe('theirs')];
    await defineFlow(database.db, 'pools', [
      { program: 'mine', pool: 'blue' },
      { program: 'theirs', pool: 'red' },
    ]);
    await startWatcher(database.url, [mine.program, theirs.program], { pool: 'blue' });
    const id = await registrar.start('pools');
    (await mine.next()).finish();
    await untilStatuses(database.db, id, [3, 0]);
    expect(theirs.begun).toEqual([]);
    await startWatcher(database.url, [mine.program, theirs.program], { pool: 'red' });
    (await theirs.next()).finish();
    await untilStatuses(database.db, id, [3, 3]);
  });

  test('one execution of a flow with max_running 1; a suspended one keeps its place until it is skipped', async () => {
    const probe = makeProbe();
    await startWatcher(database.url, [probe.program]);
    await startWatcher(database.url, [probe.program]);
    await defineFlow(database.db, 'alone', [{ program: 'probe' }, { program: 'probe' }]);
    await query(`update ms_flow set max_running = 1 where task_id = 'alone'`);
    const [first, second] = [await registrar.start('alone'), await registrar.start('alone')];
    const begun = await probe.next();
    expect(begun.key).toBe(`${first}:1`);
    begun.fail(new Error('no'));
    await untilStatuses(database.db, first, [2, 0]);
    expect(await readStatuses(database.db, second)).toEqual([0, 0]);
    await query('update kr_task_stat set exec_status = 9 where task_flow_id = $1 and task_exec_seq = 1', [
      first,
    ]);
    (await probe.next()).finish();
    await untilStatuses(database.db, first, [9, 3]);
    const next = await probe.next();
    expect(next.key).toBe(`${second}:1`);
    next.finish();
    (await probe.next()).finish();
    await untilStatuses(database.db, second, [3, 3]);
    expect(probe.begun.length).toBe(4);
  });
});

describe('what goes wrong', () => {
  const bad = defineProgram({
    name: 'bad',
    description: 'Throws.',
    run: () => {
      throw Object.assign(new Error('the disk is full'), { name: 'DiskError', details: { free: 0 } });
    },
  });

  test.each([
    ['a throwing program', 'bad', { name: 'DiskError', message: 'the disk is full', details: { free: 0 } }],
    [
      'an unknown program',
      'emty',
      { name: 'UnknownProgramError', message: expect.stringContaining('did you mean empty') },
    ],
    [
      'a program that never answers',
      'hang',
      { name: 'TimeoutError', message: expect.stringContaining('20 ms') },
    ],
    [
      'bad parameters',
      'EchoParamTimeSleep',
      { name: 'InvalidParametersError', message: expect.stringContaining('SLEEP_TIME_SECOND') },
    ],
  ])('%s suspends its task with the error, and all else goes on', async (_, program, error) => {
    const hang = makeProbe('hang', { timeout: '20ms' });
    const watcher = await startWatcher(database.url, [bad, hang.program]);
    await defineFlow(database.db, 'bad', [{ program: 'empty' }, { program }, { program: 'empty' }]);
    await defineFlow(database.db, 'good', [{ program: 'empty' }, { program: 'empty' }]);
    const id = await registrar.start('bad');
    await untilStatuses(database.db, id, [3, 2, 0]);
    const task = await readTask(database.db, id, 2);
    expect(task).toMatchObject({ reason: 'failed', finished: null, suspended: expect.any(Date), error });
    expect(watcher.logged.find(({ msg }) => msg.startsWith('task suspended'))).toMatchObject({
      execution: id,
      seq: '2',
    });
    const { status, tasks } = await registrar.executions.read({ tenant: 'local', id });
    expect([status, tasks[2]!.why]).toEqual(['failed', 'waits for 2 (failed)']);
    await untilStatuses(database.db, await registrar.start('good'), [3, 3]);
  });

  test('a row with unreadable parameters is suspended, and its neighbours run', async () => {
    await defineFlow(database.db, 'hand', [{ program: 'empty' }, { program: 'empty' }]);
    await startWatcher(database.url, []);
    await query(
      `insert into kr_task_stat (task_flow_id, task_exec_seq, depends_task_exec_seq, task_id, task_seq, exec_status, parameters)
       values ('broken', 1, -1, 'hand', 1, 0, '"no object"'), ('whole', 1, -1, 'hand', 1, 0, '{}')`,
    );
    await untilStatuses(database.db, 'whole', [3]);
    await untilStatuses(database.db, 'broken', [2]);
    expect((await readTask(database.db, 'broken', 1)).error?.name).toBe('InvalidParametersError');
  });
});

describe('rows inserted by hand', () => {
  test('run like registered ones, their programs found by task_id and task_seq', async () => {
    const probe = makeProbe();
    await startWatcher(database.url, [probe.program]);
    await defineFlow(database.db, 'hand', [{ program: 'empty' }, { program: 'probe' }]);
    await insertRows(
      database.db.pool,
      'any text, even ünïcode',
      [
        [2, 1],
        [1, -1],
      ],
      'hand',
    );
    const run = await probe.next();
    expect(run.context.step.seq).toBe('2');
    run.finish({ done: true });
    await untilStatuses(database.db, 'any text, even ünïcode', [3, 3]);
    expect(
      (await readTasks(database.db, 'any text, even ünïcode')).map(({ registered }) => registered),
    ).toEqual([null, null]);
  });

  test('are suspended when no definition names their program', async () => {
    await startWatcher(database.url, []);
    await insertRows(database.db.pool, 'lost', [[1, -1]], 'nowhere');
    await untilStatuses(database.db, 'lost', [2]);
    expect((await readTask(database.db, 'lost', 1)).error).toMatchObject({
      name: 'UnknownProgramError',
      message: expect.stringContaining('nowhere'),
    });
  });
});

describe('edits by SQL take effect at once', () => {
  test('set to 0 with edited parameters it runs again, and its dependants go on', async () => {
    const probe = makeProbe();
    await startWatcher(database.url, [probe.program]);
    await defineFlow(database.db, 'chain', [{ program: 'probe', params: { n: 1 } }, { program: 'empty' }]);
    const id = await registrar.start('chain');
    (await probe.next()).fail(new Error('no'));
    await untilStatuses(database.db, id, [2, 0]);
    await query(
      `update kr_task_stat set exec_status = 0, parameters = '{"n": 2}' where task_flow_id = $1 and task_exec_seq = 1`,
      [id],
    );
    const again = await probe.next();
    expect(again.context.params).toEqual({ n: 2 });
    expect(await readTask(database.db, id, 1)).toMatchObject({
      status: 1,
      suspended: null,
      finished: null,
      error: null,
    });
    again.finish();
    await untilStatuses(database.db, id, [3, 3]);
    expect((await registrar.executions.read({ tenant: 'local', id })).status).toBe('success');
  });

  test.each([3, 9])('set to %i it is skipped, and its dependants run', async (status) => {
    const probe = makeProbe();
    await startWatcher(database.url, [probe.program]);
    await defineFlow(database.db, 'chain', [{ program: 'probe' }, { program: 'empty' }]);
    const id = await registrar.start('chain');
    (await probe.next()).fail(new Error('no'));
    await untilStatuses(database.db, id, [2, 0]);
    await query('update kr_task_stat set exec_status = $2 where task_flow_id = $1 and task_exec_seq = 1', [
      id,
      status,
    ]);
    await untilStatuses(database.db, id, [status, 3]);
    expect((await registrar.executions.read({ tenant: 'local', id })).status).toBe('success');
    expect(probe.begun.length).toBe(1);
  });

  test('a running task set to 9 stays 9, whatever its program answers', async () => {
    const probe = makeProbe();
    const watcher = await startWatcher(database.url, [probe.program]);
    await defineFlow(database.db, 'chain', [{ program: 'probe' }, { program: 'empty' }]);
    const id = await registrar.start('chain');
    const run = await probe.next();
    await query('update kr_task_stat set exec_status = 9 where task_flow_id = $1 and task_exec_seq = 1', [
      id,
    ]);
    await untilStatuses(database.db, id, [9, 3]);
    run.finish('too late');
    await expect
      .poll(() => watcher.logged.some(({ msg }) => msg.startsWith('late answer dropped')))
      .toBe(true);
    expect(await readTask(database.db, id, 1)).toMatchObject({ status: 9, reason: 'operator', result: null });
  });

  test('a deleted predecessor counts as satisfied', async () => {
    const probe = makeProbe();
    await startWatcher(database.url, [probe.program]);
    await defineFlow(database.db, 'chain', [{ program: 'probe' }, { program: 'probe' }]);
    const id = await registrar.start('chain');
    (await probe.next()).fail(new Error('no'));
    await untilStatuses(database.db, id, [2, 0]);
    await query('delete from kr_task_stat where task_flow_id = $1 and task_exec_seq = 1', [id]);
    expect((await probe.next()).key).toBe(`${id}:2`);
  });
});

test('an execution that is let in wakes the watchers of its pool, whoever let it in', async () => {
  const probe = makeProbe();
  await startWatcher(database.url, [probe.program], { pool: 'blue' });
  await defineFlow(database.db, 'alone', [{ program: 'probe', pool: 'blue' }]);
  await query(`update ms_flow set max_running = 1 where task_id = 'alone'`);
  await registrar.start('alone');
  await probe.next();
  const second = await registrar.start('alone');
  await query(`update ms_flow set max_running = 2 where task_id = 'alone'`);
  expect(await admitExecutions(database.db, ['alone'])).toBe(1);
  expect((await probe.next()).key).toBe(`${second}:1`);
});
