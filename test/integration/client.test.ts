import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeApp, type App } from '../../src/http/app.ts';
import { serve } from '../../src/http/serve.ts';
import { defineFlow, defineProgram, Type, UmbelClient, UmbelHttpError } from '../../src/index.ts';
import { makeRegistrar } from '../../src/registrar/registrar.ts';
import { makeSchedules } from '../../src/triggers/schedules.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { makeNoHooks } from '../support/hooks.ts';
import { startWatcher, stopWatchers } from '../support/watcher.ts';
import { startServer } from '../unit/programs/local-server.ts';

const double = defineProgram({
  name: 'double',
  description: 'Doubles a number.',
  params: Type.Object({ n: Type.Number() }),
  run: ({ params }) => ({ twice: 2 * params.n }),
});
const flow = defineFlow({
  id: 'a/b c',
  name: 'Doubling',
  steps: [
    { id: 'first', program: 'empty' },
    { id: 'twice', program: double, params: { n: 21 }, after: ['first'] },
  ],
});

let database: TestDatabase;
let app: App;
let client: UmbelClient;
beforeAll(async () => {
  database = await createDatabase();
  const watcher = await startWatcher(database.url, [double]);
  const log = { warn: () => {}, error: () => {} };
  const registrar = makeRegistrar({
    db: database.db,
    wake: (pool, priority) => watcher.hint(pool, priority),
  });
  app = await makeApp({ ...registrar, hooks: makeNoHooks(), schedules: makeSchedules(database.db), log });
  client = new UmbelClient({ url: await serve(app, { host: '127.0.0.1', port: 0 }) });
});
afterAll(async () => {
  await app.close();
  await stopWatchers();
  await database.drop();
});

test('defines a flow and runs it to its result', async () => {
  expect((await client.flows.define(flow)).changes.kind).toBe('created');
  expect(await client.flows.lookup(flow.id)).toEqual({
    id: 'a/b c',
    name: 'Doubling',
    steps: [
      { id: 'first', program: 'empty', params: {} },
      { id: 'twice', program: 'double', params: { n: 21 }, after: ['first'] },
    ],
  });
  const ended = await client.execute(flow, { wait: '30s', params: { n: 4 } });
  expect(ended).toEqual({ id: expect.any(String), status: 'success', output: { twice: 8 }, error: null });
  expect(await client.executions.get(ended.id)).toMatchObject({
    flow: flow.id,
    tasks: [{}, { output: { twice: 8 } }],
  });
  expect((await client.executions.list({ flow: flow.id, limit: 1 })).executions).toMatchObject([
    { id: ended.id },
  ]);
  expect(await client.flows.versions(flow.id)).toMatchObject([{ current: true }]);
});

test('edits steps', async () => {
  const step = { id: 'x', program: 'empty' };
  expect((await client.flows.createStep('edit', { ...step, after: ['y'] })).warnings).toHaveLength(1);
  await client.flows.createStep('edit', { id: 'y', program: 'empty' });
  await client.flows.replaceStep('edit', 'y', { id: 'z/1', program: 'empty' });
  expect((await client.flows.graph('edit')).levels).toEqual([['z/1'], ['x']]);
  await expect(client.flows.deleteStep('edit', 'z/1')).rejects.toMatchObject({ status: 409 });
  await client.flows.deleteStep('edit', 'z/1', { detach: true });
  await client.flows.delete('edit');
  await expect(client.flows.lookup('edit')).rejects.toThrow('no tasks registered');
});

test('starts without waiting, once for an id', async () => {
  await client.flows.define(flow);
  expect(await client.execute(flow, { id: 'mine' })).toEqual({ id: 'mine' });
  expect(await client.execute(flow.id, { id: 'mine' })).toEqual({ id: 'mine' });
});

test('rejects with every problem and its place', async () => {
  const bad = { id: 'bad', steps: [{ id: 'a', program: '', after: ['b'] }] };
  const refused = await client.flows.define(bad).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(UmbelHttpError);
  expect(refused).toMatchObject({
    status: 422,
    message: expect.stringContaining(
      'steps[0].program: must be text of 1 to 256 characters; steps[0].after[0]: no step',
    ),
    errors: [{ error: 'DEFINITION_INVALID', path: 'steps[0].program' }, { path: 'steps[0].after[0]' }],
  });
});

test('sends its token, and copes with answers that are not the API’s', async () => {
  const { url, received } = await startServer((response) =>
    response.writeHead(502).end('<h1>Bad gateway</h1>'),
  );
  const other = new UmbelClient({ url, token: 't' });
  await expect(other.flows.lookup('x')).rejects.toMatchObject({
    status: 502,
    message: '<h1>Bad gateway</h1>',
  });
  expect(received[0]).toMatchObject({ path: '/flows/x/steps', headers: { authorization: 'Bearer t' } });
});

test('lists flows, shows one, starts and stops it', async () => {
  await client.flows.define(flow);
  expect(await client.flows.list({ search: 'doubling', sort: '-name', perPage: 5 })).toMatchObject({
    total: 1,
    flows: [{ id: 'a/b c', status: 'inactive' }],
  });
  expect(await client.flows.list({ status: 'active' })).toEqual({ total: 0, flows: [] });
  expect(await client.flows.get(flow.id)).toMatchObject({
    graph: { nodes: [{ id: 'first' }, { id: 'twice', componentId: 'program', function: 'double' }] },
  });
  expect(await client.flows.start(flow.id)).toEqual({ id: 'a/b c', status: 'starting' });
  expect(await client.flows.stop(flow.id)).toEqual({ id: 'a/b c', status: 'stopping' });
});
