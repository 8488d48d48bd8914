// What executions and tasks gave, as HTTP shows it.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { App } from '../../../src/http/app.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { makeTestRegistrar, type Registering } from '../../support/flows.ts';
import { makeProbe } from '../../support/probe.ts';
import { setStatus } from '../../support/rows.ts';
import { startWatcher, stopWatchers } from '../../support/watcher.ts';
import { makeWholeApp } from '../../support/whole-app.ts';

let database: TestDatabase;
let app: App;
let registrar: Registering;
beforeAll(async () => {
  database = await createDatabase();
  registrar = makeTestRegistrar(database.db);
  app = await makeWholeApp(database.db, registrar);
});
afterEach(stopWatchers);
afterAll(async () => {
  await app.close();
  await database.drop();
});

async function send(method: 'GET' | 'PUT' | 'POST', url: string, payload?: object) {
  const answer = await app.inject({ method, url, ...(payload === undefined ? {} : { payload }) });
  return { status: answer.statusCode, body: answer.json() };
}

/** Defines the flow, runs one execution to its end and gives its id and end. */
async function run(flow: string, steps: object[], input?: unknown) {
  await send('PUT', `/flows/${flow}`, { steps });
  const { body } = await send('POST', `/flows/${flow}/executions`, { input, wait: '30s' });
  return body.data as { id: string; status: string; output: unknown; error: unknown };
}
const empty = (id: string, rest: object = {}) => ({ id, program: 'empty', ...rest });
const resultOf = (id: string, step: string) => send('GET', `/executions/${id}/tasks/${step}/result`);

test('the output is the only leaf’s, else an object of the leaves’ by name', async () => {
  await startWatcher(database.url, []);
  const one = await run('one', [empty('a'), empty('b', { after: ['a'], select: '{"b": $}' })], 1);
  expect(one).toMatchObject({ status: 'success', output: { b: 1 } });
  const two = await run(
    'two',
    [empty('a'), empty('b', { after: ['a'], output: 'last' }), empty('c', { after: ['a'], select: 'null' })],
    1,
  );
  expect(two).toMatchObject({ status: 'success', output: { last: 1, c: null } });
  for (const { id, output } of [one, two])
    expect((await send('GET', `/executions/${id}`)).body.data).toMatchObject({ status: 'success', output });
});

test('the input stays what it was started with, and no output takes its place', async () => {
  await startWatcher(database.url, []);
  const { id } = await run(
    'kept',
    [empty('a', { select: '"first"' }), empty('b', { after: ['a'], select: '"last"' })],
    { asked: true },
  );
  const { body } = await send('GET', `/executions/${id}`);
  expect(body.data).toMatchObject({
    input: { asked: true },
    output: 'last',
    tasks: [
      { step: 'a', input: { asked: true }, output: 'first' },
      { step: 'b', output: 'last' },
    ],
  });
});

test('a result of null is a result', async () => {
  await startWatcher(database.url, []);
  const { id, status, output } = await run('null', [empty('a', { select: 'nothing' })]);
  expect({ status, output }).toEqual({ status: 'success', output: null });
  expect(await resultOf(id, 'a')).toEqual({ status: 200, body: { data: null, meta: {} } });
  expect((await send('GET', `/executions/${id}`)).body.data.tasks).toMatchObject([
    { status: 'finish', output: null },
  ]);
});

test('the result of a task is there when it has finished, and not before', async () => {
  const probe = makeProbe();
  await startWatcher(database.url, [probe.program]);
  await send('PUT', '/flows/probed', {
    steps: [{ id: 'a', program: 'probe' }, empty('b', { after: ['a'] })],
  });
  const { id } = (await send('POST', '/flows/probed/executions')).body.data;
  const call = await probe.next();
  expect(await resultOf(id, 'a')).toMatchObject({
    status: 409,
    body: { errors: [{ error: 'NOT_FINISHED', code: 409, message: expect.stringContaining('it runs') }] },
  });
  expect((await resultOf(id, 'b')).body.errors[0].message).toContain('it waits');
  call.finish({ n: [1] });
  const end = await registrar.execute.waitForEnd(id, 30_000, new AbortController().signal);
  expect(end?.output).toEqual({ n: [1] });
  for (const step of ['a', 'b', '1', '2'])
    expect(await resultOf(id, step)).toEqual({ status: 200, body: { data: { n: [1] }, meta: {} } });
});

test('a task that failed has no result; one that may fail, or was skipped, has null', async () => {
  await startWatcher(database.url, []);
  const { id, status } = await run('failing', [
    empty('bad', { select: '$error("no luck")' }),
    empty('may', { select: '$error("no luck")', allowFail: true }),
    empty('not', { when: 'false' }),
    empty('behind', { after: ['bad'] }),
  ]);
  expect(status).toBe('failed');
  expect(await resultOf(id, 'bad')).toMatchObject({
    status: 422,
    body: {
      errors: [
        { error: 'TASK_FAILED', message: expect.stringContaining('ExpressionError: select: no luck') },
      ],
    },
  });
  for (const step of ['may', 'not'])
    expect(await resultOf(id, step)).toMatchObject({ status: 200, body: { data: null } });
  expect((await resultOf(id, 'behind')).status).toBe(409);
  await send('POST', `/executions/${id}/abort`);
  expect((await resultOf(id, 'behind')).body.errors[0].message).toContain('it was aborted');
  await setStatus(database.db, id, 1, 2);
  expect((await resultOf(id, 'bad')).body.errors[0]).toMatchObject({
    error: 'NOT_FINISHED',
    message: expect.stringContaining('suspended'),
  });
});

test('what is not there is 404, and so is what belongs to others', async () => {
  await startWatcher(database.url, []);
  const { id } = await run('there', [empty('a')]);
  expect((await resultOf(id, 'nowhere')).body.errors[0]).toMatchObject({
    error: 'TASK_NOT_FOUND',
    code: 404,
  });
  expect((await resultOf('nobody', 'a')).body.errors[0]).toMatchObject({
    error: 'EXECUTION_NOT_FOUND',
    code: 404,
  });
  await database.db.pool.query(`update kr_flow_stat set tenant = 'others' where task_flow_id = $1`, [id]);
  expect((await resultOf(id, 'a')).body.errors[0]).toMatchObject({ error: 'EXECUTION_NOT_FOUND', code: 404 });
});
