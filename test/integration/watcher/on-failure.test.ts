// The flow that is started when an execution fails, on real watchers.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { defineFlow, makeTestRegistrar, type Registering } from '../../support/flows.ts';
import { makeProbe } from '../../support/probe.ts';
import { startWatcher, stopWatchers } from '../../support/watcher.ts';

let database: TestDatabase;
let registrar: Registering;
let probe: ReturnType<typeof makeProbe>;
beforeEach(async () => {
  database = await createDatabase();
  registrar = makeTestRegistrar(database.db);
  probe = makeProbe();
  await defineFlow(database.db, 'fragile', [{ program: 'probe' }]);
  await defineFlow(database.db, 'repair', [{ program: 'probe' }]);
  await settle('fragile', 'repair');
});
afterEach(async () => {
  await stopWatchers();
  await database.drop();
});

const settle = (flow: string, onFailure: string) =>
  database.db.pool.query('update ms_flow set settings = $2 where task_id = $1', [flow, { onFailure }]);
const watch = () =>
  startWatcher(database.url, [probe.program], {
    workers: 2,
    pollInterval: 100,
    startExecution: (request) => registrar.register(request),
  });
const statusOf = async (id: string) => (await registrar.executions.read({ tenant: 'local', id })).status;
const started = async (flow: string) =>
  (await registrar.executions.list({ tenant: 'local', flow })).data.map(({ status, trigger }) => ({
    status,
    trigger,
  }));
const owed = async () => (await database.db.pool.query('select from kr_start')).rowCount;

it('gets the execution and the error for input, once, though several watchers see to it', async () => {
  await watch();
  await watch();
  const id = await registrar.start('fragile');
  (await probe.next()).fail(Object.assign(new Error('no luck'), { name: 'LuckError' }));
  const repair = await probe.next();
  expect(repair.context.input).toMatchObject({
    execution: id,
    flow: 'fragile',
    error: { name: 'LuckError', message: 'no luck' },
  });
  await registrar.control.resume({ tenant: 'local', id });
  (await probe.next()).fail(new Error('again'));
  await expect.poll(() => statusOf(id)).toBe('failed');
  await expect.poll(owed).toBe(0);
  expect(await started('repair')).toMatchObject([{ trigger: { kind: 'failure', execution: id } }]);
  repair.finish();
});

it('that fails itself starts no other', async () => {
  await settle('repair', 'repair');
  await watch();
  await registrar.start('fragile');
  (await probe.next()).fail(new Error('no luck'));
  (await probe.next()).fail(new Error('no luck either'));
  await expect.poll(() => started('repair')).toMatchObject([{ status: 'failed' }]);
  expect(await owed()).toBe(0);
});

it('that is not there is said in the log', async () => {
  await settle('fragile', 'repiar');
  const { logged } = await watch();
  await registrar.start('fragile');
  (await probe.next()).fail(new Error('no luck'));
  await expect
    .poll(() => logged.map(({ msg }) => msg))
    .toContainEqual(expect.stringContaining('the flow for its failure was not started'));
  await expect.poll(owed).toBe(0);
});
