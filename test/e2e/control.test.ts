import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { defineFlow, makeTestRegistrar, type Registering, untilStatuses } from '../support/flows.ts';
import { umbel } from '../support/run.ts';
import { startWatch } from '../support/service.ts';

let database: TestDatabase;
let registrar: Registering;
beforeAll(async () => {
  database = await createDatabase();
  registrar = makeTestRegistrar(database.db);
  await defineFlow(database.db, 'nap', [
    { program: 'EchoParamTimeSleep', params: { SLEEP_TIME_SECOND: '600' } },
    { program: 'empty' },
  ]);
});
afterAll(() => database.drop());

const cli = (...args: string[]) => umbel(args, { env: { DATABASE_URL: database.url, LOG_LEVEL: 'silent' } });

test('an execution is held, explained, skipped through, aborted and resumed from the command line', async () => {
  const id = await registrar.start('nap');
  expect((await cli('pause', id)).stdout).toBe(`${id}  paused\n`);
  expect((await cli('why', id)).stdout).toBe(
    `${id}  paused\n  1: paused: its execution has to be resumed\n  2: paused: its execution has to be resumed\n`,
  );
  expect((await cli('resume', id)).stdout).toBe(`${id}  stopped\n`);
  expect((await cli('why', id, '2')).stdout).toBe(`${id}  stopped\n  2: waits for 1 (waiting)\n`);
  expect((await cli('abort', id)).stdout).toBe(`${id}  aborted\n`);
  expect((await cli('skip', id, '1')).stdout).toBe(`${id}  aborted\n`);
  expect((await cli('skip', id, '2')).stdout).toBe(`${id}  success\n`);
  expect(await cli('pause', id)).toMatchObject({
    code: 1,
    stderr: `The execution "${id}" cannot be paused: it has ended (success).\n`,
  });
  const rerun = await cli('rerun', id, '1', '--params', '{"SLEEP_TIME_SECOND": "0"}', '--downstream');
  expect([rerun.stderr, rerun.stdout]).toEqual(['', `${id}  stopped\n`]);
  const { rows } = await database.db.pool.query(
    `select exec_status::int status, parameters from kr_task_stat where task_flow_id = $1 order by task_exec_seq`,
    [id],
  );
  expect(rows).toEqual([
    { status: 0, parameters: { SLEEP_TIME_SECOND: '0' } },
    { status: 9, parameters: {} },
  ]);
});

test('tells what is wrong with what it is given', async () => {
  expect(await cli('resume', 'nowhere')).toMatchObject({
    code: 1,
    stderr: 'No execution has the id "nowhere".\n',
  });
  const id = await registrar.start('nap');
  expect((await cli('why', id, 'z')).stderr).toContain('has no task of a step "z"');
  for (const params of ['[]', '{', 'null'])
    expect(await cli('rerun', id, '1', '--params', params)).toMatchObject({ code: 2 });
});

test('reruns what failed, of many executions', async () => {
  const id = await registrar.start('nap');
  await database.db.pool.query(
    `update kr_task_stat set exec_status = 2, reason = 'failed' where task_flow_id = $1 and task_exec_seq = 1`,
    [id],
  );
  const dry = await cli('executions', 'rerun', '--from', 'failed', '--flow', 'nap', '--dry-run');
  expect(dry).toMatchObject({ code: 0, stdout: `${id}  1\n`, stderr: 'Would be rerun: 1 execution.\n' });
  expect((await cli('executions', 'rerun', '--from', 'failed')).stdout).toBe(`${id}  1\n`);
  expect((await cli('executions', 'rerun', '--from', 'failed')).stdout).toBe('');
});

test('an abort reaches programs that run in two other processes', async () => {
  const env = { DATABASE_URL: database.url };
  const watchers = [
    await startWatch(env, ['--workers', '1', '--pool', 'two']),
    await startWatch(env, ['--workers', '1', '--pool', 'two']),
  ];
  await defineFlow(database.db, 'naps', [
    { program: 'EchoParamTimeSleep', params: { SLEEP_TIME_SECOND: '600' }, pool: 'two', depends: [] },
    { program: 'EchoParamTimeSleep', params: { SLEEP_TIME_SECOND: '600' }, pool: 'two', depends: [] },
  ]);
  const id = await registrar.start('naps');
  await untilStatuses(database.db, id, [1, 1]);
  await cli('abort', id);
  await Promise.all(watchers.map((watcher) => watcher.line(/task stopped: it was aborted/)));
  await defineFlow(database.db, 'after', [{ program: 'empty', pool: 'two' }]);
  const after = await registrar.start('after');
  await untilStatuses(database.db, after, [3]);
  expect((await registrar.executions.read({ tenant: 'local', id })).status).toBe('aborted');
});
