// Components on a real watcher: found by it when a task needs them, those of the flow's tenant and no others.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { withComponents } from '../../../src/programs/component-program.ts';
import { makeProcesses } from '../../../src/programs/processes.ts';
import { makeRegistry } from '../../../src/programs/registry.ts';
import { makeComponentFinder } from '../../../src/watcher/find-component.ts';
import { builtinPrograms, callOut } from '../../support/builtin.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { makeTestRegistrar, type Registering, untilStatuses } from '../../support/flows.ts';
import { readTasks } from '../../support/rows.ts';
import { until } from '../../support/service.ts';
import { startWatcher, stopWatchers } from '../../support/watcher.ts';
import { answerJson, startServer } from '../../unit/programs/local-server.ts';

let base: TestDatabase;
let registrar: Registering;
beforeEach(async () => {
  base = await createDatabase();
  registrar = makeTestRegistrar(base.db);
  const finder = makeComponentFinder(base.db);
  const processes = makeProcesses([], {});
  const registry = withComponents(makeRegistry(builtinPrograms), {
    findComponent: finder.find,
    callOut,
    processes,
  });
  await startWatcher(base.url, [], { registry, onComponents: finder.forget });
});
afterEach(async () => {
  await stopWatchers();
  await base.drop();
});

const viewer = { tenant: 'local', user: 'local', permissions: 'all' as const };
const graph = {
  nodes: [
    { id: 'make', componentId: 'program', function: 'empty' },
    { id: 'send', componentId: 'crm', function: 'upsert', fields: { table: 'orders' } },
  ],
  edges: [{ source: 'make', target: 'send' }],
};

it('calls a component that was made after it started, and sees that it changed', async () => {
  const { url, received } = await startServer((response, { path }) => answerJson(response, { path }));
  await registrar.components.create(viewer, { id: 'crm', kind: 'http', address: `${url}/one` });
  await registrar.flowRepository.create(viewer, { id: 'x', graph });
  const first = await registrar.start('x', { input: { order: 7 } });
  await untilStatuses(base.db, first, [3, 3]);
  expect((await readTasks(base.db, first))[1]?.result).toEqual({ path: '/one/upsert' });
  expect(JSON.parse(received[0]!.body)).toMatchObject({ data: { order: 7 }, fields: { table: 'orders' } });
  expect(received[0]!.headers).toMatchObject({ 'x-flow': 'x', 'x-execution': first, 'x-step': 'send' });
  await registrar.components.patch(viewer, 'crm', { address: `${url}/two` });
  const runAgain = async () => {
    const again = await registrar.start('x');
    await untilStatuses(base.db, again, [3, 3]);
    return (await readTasks(base.db, again))[1]?.result as { path: string };
  };
  // The hint may take a moment, but not as long as a component is remembered without one.
  await until(runAgain, ({ path }) => path === '/two/upsert', 4);
});

it('finds no component of another tenant', async () => {
  const { url, received } = await startServer((response) => answerJson(response, null));
  await registrar.components.create({ ...viewer, tenant: 'acme' }, { id: 'crm', kind: 'http', address: url });
  await registrar.flows.define(
    { tenant: 'local', flow: 'x' },
    {
      id: 'x',
      steps: [
        { id: 'make', program: 'empty' },
        { id: 'send', program: 'crm.upsert', after: ['make'] },
      ],
    },
  );
  const id = await registrar.start('x');
  await untilStatuses(base.db, id, [3, 2]);
  expect((await readTasks(base.db, id))[1]?.error).toMatchObject({ name: 'UnknownProgramError' });
  expect(received).toEqual([]);
});
