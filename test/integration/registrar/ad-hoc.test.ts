import { afterEach, beforeEach, expect, test } from 'vitest';
import { UmbelClient } from '../../../src/client/client.ts';
import { silentLogger } from '../../../src/log.ts';
import { makeApp } from '../../../src/http/app.ts';
import { pruneExecutions } from '../../../src/sql/prune.ts';
import { makeSchedules } from '../../../src/triggers/schedules.ts';
import { makeNoHooks } from '../../support/hooks.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { makeTestRegistrar, type Registering } from '../../support/flows.ts';
import { startWatcher, stopWatchers } from '../../support/watcher.ts';

let database: TestDatabase;
let registrar: Registering;
let client: UmbelClient;
let close: () => Promise<void>;
beforeEach(async () => {
  database = await createDatabase();
  registrar = makeTestRegistrar(database.db);
  const log = silentLogger();
  const app = await makeApp({
    ...registrar,
    hooks: makeNoHooks(),
    schedules: makeSchedules(database.db),
    log,
  });
  client = new UmbelClient({ url: await app.listen({ port: 0, host: '127.0.0.1' }) });
  close = () => app.close();
});
afterEach(async () => {
  await close();
  await stopWatchers();
  await database.drop();
});

const query = async (text: string, values: unknown[] = []) =>
  (await database.db.pool.query<Record<string, unknown>>(text, values)).rows;

const STEPS = [
  { id: 'first', program: 'empty' },
  { id: 'then', program: 'empty', after: ['first'] },
];

test('steps that no flow holds run, and nothing is defined', async () => {
  await startWatcher(database.url, []);
  const ended = await client.executeSteps(STEPS, { input: { n: 1 }, wait: '20s' });
  expect(ended).toMatchObject({ status: 'success', output: { n: 1 } });
  expect(await query('select from ms_flow')).toEqual([]);
  expect(await query('select from ms_task_definition')).toEqual([]);
  const { executions } = await client.executions.list({ flow: 'adhoc' });
  expect(executions).toMatchObject([{ id: ended.id, flow: 'adhoc', status: 'success' }]);
  const { tasks } = await client.executions.get(ended.id);
  expect(tasks.map(({ step, program }) => [step, program])).toEqual([
    ['first', 'empty'],
    ['then', 'empty'],
  ]);
});

test('they take the options of an execution', async () => {
  await startWatcher(database.url, []);
  const ended = await client.executeSteps(STEPS, { step: 'then', input: 2, wait: '20s' });
  expect(ended).toMatchObject({ status: 'success', output: 2 });
  expect((await client.executions.get(ended.id)).tasks[0]).toMatchObject({ reason: 'not_selected' });
});

test('every problem is told at once, as of a definition', async () => {
  const wrong = [
    { id: 'a', program: 'empty', after: ['b', 'x'] },
    { id: 'b', program: 'empty', after: ['a'], retryy: 1 },
  ];
  await expect(client.executeSteps(wrong)).rejects.toMatchObject({
    status: 422,
    errors: expect.arrayContaining([
      expect.objectContaining({ error: 'DEFINITION_INVALID', path: 'steps[0].after[1]' }),
      expect.objectContaining({ path: 'steps[1].retryy' }),
      expect.objectContaining({ message: expect.stringContaining('a → b → a') }),
    ]),
  });
  await expect(client.executeSteps([])).rejects.toMatchObject({ status: 422 });
  expect(await query('select from kr_flow_stat')).toEqual([]);
});

test('the same request under one id is one execution, other steps are another request', async () => {
  const { id } = await client.executeSteps(STEPS, { id: 'mine' });
  expect(await client.executeSteps(STEPS, { id: 'mine' })).toEqual({ id });
  await expect(client.executeSteps(STEPS.slice(0, 1), { id: 'mine' })).rejects.toMatchObject({ status: 409 });
});

test('no flow may have their id', async () => {
  const flow = { id: 'adhoc', steps: STEPS };
  await expect(client.flows.define(flow)).rejects.toMatchObject({
    errors: [{ message: '"adhoc" is reserved; choose another' }],
  });
  await expect(client.execute('adhoc')).rejects.toMatchObject({ status: 404 });
});

test('a version goes with the last execution of it, and comes back when it is used again', async () => {
  await startWatcher(database.url, []);
  const old = await client.executeSteps(STEPS, { retries: 1, wait: '20s' });
  const kept = await client.executeSteps(STEPS.slice(0, 1), { wait: '20s' });
  await query(`update ms_flow_version set created_ts = now() - interval '3 days'`);
  await query(
    `update kr_flow_stat set registered_ts = now() - interval '3 days', finished_ts = now() - interval '2 days' where task_flow_id = $1`,
    [old.id],
  );
  await pruneExecutions(database.db, { olderThan: 86_400_000, flow: null, restShare: 0 });
  const { version } = await client.executions.get(kept.id);
  expect(await query('select version from ms_flow_version')).toEqual([{ version }]);
  expect(await query('select distinct version from ms_plan')).toEqual([{ version }]);
  expect(await client.executeSteps(STEPS, { retries: 1, wait: '20s' })).toMatchObject({ status: 'success' });
});
