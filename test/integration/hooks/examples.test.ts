// The flows of examples/flows that are started by their webhooks, called as their comments say.
import { execFile } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { readYaml } from '../../../src/registrar/definition/yaml.ts';
import { makeRegistrar } from '../../../src/registrar/registrar.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { readInputs, startHookServer, type HookServer } from '../../support/hook-world.ts';
import { startFlow } from '../../support/hooks.ts';
import { startWatcher, stopWatchers } from '../../support/watcher.ts';
import { answerJson, startServer } from '../../unit/programs/local-server.ts';

let database: TestDatabase;
let server: HookServer;
let received: { body: string }[];
beforeAll(async () => {
  database = await createDatabase();
});
beforeEach(async () => {
  server = await startHookServer(database.url);
  await startWatcher(database.url, []);
});
afterEach(stopWatchers);
afterAll(() => database.drop());

/** Defines the flow, its calls sent to a server of the test, and starts it. */
async function start(id: string) {
  const outside = await startServer((response) => answerJson(response, {}));
  received = outside.received;
  const text = await readFile(`examples/flows/${id}.yaml`, 'utf8');
  const [read] = readYaml(text.replaceAll('http://127.0.0.1:8000/echo', outside.url));
  const { flows } = makeRegistrar({ db: database.db, wake: () => {} });
  await flows.define({ tenant: 'local', flow: id }, read!.flow);
  await startFlow(database.db, id);
}

const curl = async (...args: string[]) => (await promisify(execFile)('curl', ['--silent', ...args])).stdout;
const json = ['-H', 'content-type: application/json'];
const bodies = async (flow: string) => (await readInputs(database.db, flow)).map((input) => input['body']);
const calls = () => received.map(({ body }) => body);

test('a new order is taken by GET and by POST', async () => {
  await start('new-order');
  const hook = `${server.address}/hook/new-order`;
  for (const answer of [await curl(`${hook}?id=7`), await curl(`${hook}/orders`, ...json, '-d', '{"id": 7}')])
    expect(JSON.parse(answer)).toMatchObject({
      data: { message: 'thank you', executionId: expect.any(String) },
    });
  expect(await bodies('new-order')).toEqual([{ id: '7' }, { id: 7 }]);
  const rows = ['{"row":{"id":"7"},"table":"orders"}', '{"row":{"id":7},"table":"orders"}'];
  await expect.poll(() => new Set(calls())).toEqual(new Set(rows));
});

test("a push is taken with GitHub's signature only, of the secret or the old one", async () => {
  await start('github-push');
  const body = JSON.stringify({ ref: 'refs/heads/main' });
  const push = async (headers: Record<string, string>) => {
    const init = { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } };
    return (await fetch(`${server.address}/hook/github-push`, init)).status;
  };
  const sign = (secret: string) => ({
    'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
    'x-github-event': 'push',
  });
  expect([await push({}), await push(sign('guessed'))]).toEqual([403, 403]);
  expect([await push(sign('github-secret')), await push(sign('github-old-secret'))]).toEqual([200, 200]);
  const [input] = await readInputs(database.db, 'github-push');
  expect(input).toMatchObject({
    body: { ref: 'refs/heads/main' },
    headers: { 'x-github-event': 'push', 'x-hub-signature-256': '[redacted]' },
  });
  await expect.poll(calls).toEqual(['{"build":"refs/heads/main"}', '{"build":"refs/heads/main"}']);
});

test('a price is quoted with a status and a body of its own, and booked behind the answer', async () => {
  await start('price-quote');
  const answer = await curl('-i', `${server.address}/hook/price-quote`, ...json, '-d', '{"item": "tea"}');
  expect(answer).toMatch(/^HTTP\/1\.1 201 Created\r\n/);
  expect(answer).toMatch(/\r\nlocation: \/quotes\/7\r\n/);
  expect(answer.split('\r\n\r\n')[1]).toBe('{"item":"tea","price":12}');
  await expect.poll(calls).toEqual(['', '{"book":"tea"}']);
});
