// The flows of examples/flows, each run to its end against a server that stands in for the services they call.
import { readdir, readFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Json } from '../../src/dag/vocabulary.ts';
import type { FlowDefinition } from '../../src/registrar/definition/schema.ts';
import { readYaml } from '../../src/registrar/definition/yaml.ts';
import { silentLogger } from '../../src/log.ts';
import { makeManyRegistrar } from '../../src/registrar/register-many.ts';
import { makeRegistrar } from '../../src/registrar/registrar.ts';
import { makeScheduler } from '../../src/triggers/scheduler.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { until } from '../support/service.ts';
import { startWatcher, stopWatchers } from '../support/watcher.ts';
import { answerJson, startServer } from '../unit/programs/local-server.ts';

const DIRECTORY = 'examples/flows';
const files = (await readdir(DIRECTORY)).toSorted();
const flows = new Map<string, FlowDefinition>();
for (const file of files) {
  for (const { flow, problems } of readYaml(await readFile(`${DIRECTORY}/${file}`, 'utf8'))) {
    if (flow === null) throw new Error(`${file}: ${JSON.stringify(problems)}`);
    flows.set(flow.id, flow);
  }
}

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterEach(stopWatchers);
afterAll(() => database.drop());

/** Started by their webhooks: see hooks/examples.test.ts. */
const HOOKS = ['github-push', 'new-order', 'price-quote'];

/** Defines and runs the flow, its calls sent to the server; gives the execution when it has ended. */
async function runFlow(id: string, params: Record<string, unknown>, input: Json = null) {
  const { url } = database;
  const watcher = await startWatcher(url, []);
  const registrar = makeRegistrar({
    db: database.db,
    wake: (pool, priority) => watcher.hint(pool, priority),
  });
  const which = { tenant: 'local', flow: id };
  await registrar.flows.define(which, flows.get(id));
  const execution = await registrar.execute.start({ ...which, user: 'test', params: params as {}, input });
  const end = await registrar.execute.waitForEnd(execution, 30_000, new AbortController().signal);
  const { tasks } = await registrar.executions.read({ tenant: 'local', id: execution });
  return { end, tasks: new Map(tasks.map((task) => [task.step, task])) };
}

test('every file is among the flows that are run here', () => {
  const here = ['heartbeat', 'nightly-report', 'polling-import', 'reminder', 'clean-up'];
  expect(new Set(flows.keys())).toEqual(new Set([...here, ...HOOKS]));
});

test('the heartbeat starts itself every second', async () => {
  const { url, received } = await startServer((response) => answerJson(response, {}));
  const { db } = database;
  const watcher = await startWatcher(database.url, []);
  const wake = (pool: string, priority: number) => watcher.hint(pool, priority);
  const heartbeat = flows.get('heartbeat')!;
  const steps = heartbeat.steps.map((step) => ({ ...step, params: { ...step.params, url } }));
  const which = { tenant: 'local', flow: 'heartbeat' };
  await makeRegistrar({ db, wake }).flows.define(which, { ...heartbeat, steps });
  const registrar = makeManyRegistrar(db, wake);
  const scheduler = makeScheduler({
    db,
    url: database.url,
    registrar,
    pollInterval: 600_000,
    log: silentLogger(),
  });
  scheduler.start();
  await db.pool.query(`update ms_flow set status = 'active' where task_id = 'heartbeat'`);
  await until(
    async () => received.length,
    (count) => count >= 3,
  );
  await scheduler.stop();
  const told = received.map(({ body }) => (JSON.parse(body) as { second: string }).second);
  const { rows } = await db.pool.query<{ slot: Date }>(
    `select slot from kr_fire where task_id = 'heartbeat' and decision = 'fired' order by slot`,
  );
  expect(new Set(told).size).toBe(told.length);
  expect(rows.map(({ slot }) => slot.toISOString())).toEqual(expect.arrayContaining(told));
  for (const second of told) expect(second).toMatch(/:\d\d\.000Z$/);
});

/** Answers like /echo, with what it was sent; `statusOf` may say that it does not want to. */
function startEcho(statusOf: (body: string, calls: number) => number = () => 200) {
  let calls = 0;
  return startServer((response, { body }) =>
    answerJson(response, { body: JSON.parse(body) as unknown }, statusOf(body, (calls += 1))),
  );
}

test('the nightly report waits for both sources, tries again what fails once, and says what they come to', async () => {
  const { url, received } = await startEcho((_, calls) => (calls === 1 ? 503 : 200));
  const { end, tasks } = await runFlow('nightly-report', { url });
  const report = {
    title: '3 orders, 1 refunded',
    total: 59.5,
    refunded: { id: 2, total: 60.5 },
  };
  expect(end).toMatchObject({ status: 'success', output: report });
  expect(received).toHaveLength(4);
  expect(JSON.parse(received.at(-1)!.body)).toEqual(report);
  expect([...tasks.values()].reduce((sum, { attempt }) => sum + attempt, 0)).toBe(4);
});

test('the import goes on when its mail cannot be sent', async () => {
  const { url, received } = await startEcho((body) => (body.includes('subject') ? 500 : 200));
  const { end, tasks } = await runFlow('polling-import', { url });
  expect(end).toMatchObject({ status: 'success', output: { imported: 2 } });
  expect(received.map(({ body }) => body)).toContain('{"subject":"2 prices imported"}');
  expect(tasks.get('mail')).toMatchObject({
    status: 'ignore',
    reason: 'allowed_failure',
    attempt: 2,
    priority: 5,
    error: { name: 'HttpError' },
  });
  expect(tasks.get('done')?.status).toBe('finish');
});

test('the import skips storing and mailing when there is nothing to import', async () => {
  const { url, received } = await startServer((response) => answerJson(response, { body: [] }));
  const { end, tasks } = await runFlow('polling-import', { url });
  expect(end).toMatchObject({ status: 'success', output: { imported: 0 } });
  expect(received).toHaveLength(1);
  expect([tasks.get('store')?.reason, tasks.get('mail')?.reason]).toEqual(['skipped', 'skipped']);
});

test('the reminder comes after its time', async () => {
  const { url, received } = await startEcho();
  const { end, tasks } = await runFlow('reminder', { url, duration: '20ms' }, { name: 'Ada' });
  expect(end?.status).toBe('success');
  expect(received.map(({ body }) => body)).toEqual(['{"text":"Dear Ada, your order is still open."}']);
  expect(tasks.get('wait')?.output).toEqual({ until: expect.any(String) });
});

test('the clean-up ends with its summary', async () => {
  const { end, tasks } = await runFlow('clean-up', {});
  expect(end?.status).toBe('success');
  const ended = (step: string) => Date.parse(tasks.get(step)?.finishedAt ?? '');
  for (const step of ['urgent', 'caches', 'uploads'])
    expect(ended(step)).toBeLessThanOrEqual(ended('summary'));
});
