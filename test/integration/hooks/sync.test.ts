// Synchronous hooks: the caller waits, and gets what the flow answers.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/dag/vocabulary.ts';
import { stopServing } from '../../../src/http/serve.ts';
import { defineProgram } from '../../../src/programs/program.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { defineFlow, type StepRow } from '../../support/flows.ts';
import { readInputs, startHookServer, type HookServer } from '../../support/hook-world.ts';
import { openHook } from '../../support/hooks.ts';
import { startWatcher, stopWatchers } from '../../support/watcher.ts';

let database: TestDatabase;
let server: HookServer;
let flow: string;
let flows = 0;

/** Ends when the test says so. */
let release: () => void;
let held: Promise<void>;
const hold = defineProgram({ name: 'test.hold', description: 'Ends when told.', run: () => held });
const fail = defineProgram({
  name: 'test.fail',
  description: 'Fails.',
  run: () => {
    throw new Error('the secret is 12345');
  },
});

beforeAll(async () => {
  database = await createDatabase();
});
afterEach(async () => {
  release();
  await stopWatchers();
});
afterAll(() => database.drop());
beforeEach(async () => {
  held = new Promise((resolve) => (release = resolve));
  flow = `flow-${(flows += 1)}`;
  server = await startHookServer(database.url);
  await startWatcher(database.url, [hold, fail]);
});

async function open(steps: StepRow[], webhooks: JsonObject = {}) {
  await defineFlow(database.db, flow, steps);
  await openHook(database.db, flow, { mode: 'sync', ...webhooks });
}

const call = (body: unknown = { n: 1 }, init: RequestInit = {}) =>
  fetch(`${server.address}/hook/${flow}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...init,
  });
const reply = (params: JsonObject = {}): StepRow => ({ program: 'hook.reply', params });

describe('a synchronous hook', () => {
  it("answers with the flow's result", async () => {
    await open([{ program: 'empty' }, { program: 'empty' }]);
    const answer = await call({ n: 7 });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toContain('application/json');
    expect(await answer.json()).toMatchObject({ body: { n: 7 }, method: 'POST' });
    expect(answer.headers.get('x-request-id')).toBeTruthy();
    expect(answer.headers.get('x-execution-id')).toBeTruthy();
  });

  it('answers GET in the same way', async () => {
    await open([{ program: 'empty' }]);
    expect(await (await fetch(`${server.address}/hook/${flow}?n=7`)).json()).toMatchObject({
      body: { n: '7' },
    });
  });

  it('answers with what hook.reply says, before the flow has ended', async () => {
    await open([
      reply({
        status: 201,
        headers: { location: '/orders/7', 'content-type': 'text/html' },
        body: '<b>7</b>',
      }),
      { program: 'test.hold' },
    ]);
    const answer = await call();
    expect([
      answer.status,
      answer.headers.get('location'),
      answer.headers.get('content-type'),
      await answer.text(),
    ]).toEqual([201, '/orders/7', 'text/html', '<b>7</b>']);
    expect(answer.headers.get('content-security-policy')).toContain('sandbox');
    const { rows } = await database.db.pool.query('select flow_status from kr_flow_stat where task_id = $1', [
      flow,
    ]);
    expect(rows).toEqual([{ flow_status: 'open' }]);
  });

  it('answers with the first of several replies, and tells the others so', async () => {
    await open([reply({ body: { first: true } }), reply({ status: 500 })]);
    const answer = await call();
    expect([answer.status, await answer.json()]).toEqual([200, { first: true }]);
    const results = async () =>
      (
        await database.db.pool.query<{ result: unknown }>(
          'select result from kr_task_stat where task_id = $1 and exec_status = 3 order by task_exec_seq',
          [flow],
        )
      ).rows.map(({ result }) => result);
    await expect.poll(results).toEqual([{ answered: true }, { answered: false }]);
  });

  it('answers with the input of the step when the reply says no body, and without one when its status has none', async () => {
    await open([reply()]);
    expect(await (await call({ n: 3 })).json()).toMatchObject({ body: { n: 3 } });
    flow = `${flow}-empty`;
    await open([reply({ status: 204 })]);
    const answer = await call();
    expect([answer.status, await answer.text()]).toEqual([204, '']);
  });

  it('takes a result that looks like a reply for a result', async () => {
    await open([{ program: 'http.request', params: { url: `${server.address}/echo` } }]);
    const answer = await call();
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ status: 200, headers: {}, body: { method: 'GET' } });
  });

  it.each([
    ['set-cookie', 'a=1'],
    ['content-length', '1'],
    ['Content-Security-Policy', 'none'],
    ['bad name', 'x'],
    ['x-split', 'a\r\nb: c'],
  ])('lets no flow set %s', async (name, value) => {
    await open([reply({ headers: { [name]: value } })]);
    const answer = await call();
    expect([answer.status, answer.headers.get('set-cookie')]).toEqual([502, null]);
  });

  it('answers 502 when the flow failed, and tells nothing of why', async () => {
    await open([{ program: 'test.fail' }]);
    const answer = await call();
    const text = await answer.text();
    expect([answer.status, JSON.parse(text)]).toMatchObject([502, { errors: [{ error: 'HOOK_FAILED' }] }]);
    expect(text).not.toContain('12345');
    expect(text).toContain(answer.headers.get('x-execution-id'));
  });

  it('answers 504 with the execution when the flow takes too long, and lets it go on', async () => {
    await open([{ program: 'test.hold' }], { timeout: '50ms' });
    const answer = await call();
    const execution = answer.headers.get('x-execution-id');
    expect([answer.status, await answer.json()]).toMatchObject([
      504,
      { errors: [{ error: 'HOOK_TIMEOUT', message: expect.stringContaining(execution!) }] },
    ]);
    release();
    const status = async () =>
      (
        await database.db.pool.query('select flow_status from kr_flow_stat where task_flow_id = $1', [
          execution,
        ])
      ).rows[0];
    await expect.poll(status).toEqual({ flow_status: 'success' });
  });

  it('answers 503 over its waiters and registers nothing; who goes away frees a place', async () => {
    await open([{ program: 'test.hold' }], { maxWaiters: 2 });
    const gone = new AbortController();
    const first = call(1, { signal: gone.signal }).catch(() => 'gone');
    const second = call(2);
    await expect.poll(async () => (await readInputs(database.db, flow)).length).toBe(2);
    const refused = await call(3);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '2']);
    expect(await readInputs(database.db, flow)).toHaveLength(2);
    gone.abort();
    expect(await first).toBe('gone');
    await expect.poll(() => server.hooks.look().waiters).toBe(1);
    const third = call(3);
    await expect.poll(async () => (await readInputs(database.db, flow)).length).toBe(3);
    release();
    expect([(await second).status, (await third).status]).toEqual([200, 200]);
    expect(server.hooks.look().waiters).toBe(0);
  });

  it('answers a repeat with the answer of the first execution', async () => {
    await open([reply({ body: 'once' })]);
    const headers = { 'content-type': 'application/json', 'x-request-id': 'r-1' };
    const answers = await Promise.all([1, 2, 3].map(async () => (await call({}, { headers })).text()));
    expect(answers).toEqual(['once', 'once', 'once']);
    expect(await (await call({}, { headers })).text()).toBe('once');
    expect(await readInputs(database.db, flow)).toHaveLength(1);
  });

  it('answers those who wait when the server stops', async () => {
    await open([{ program: 'test.hold' }]);
    const waiting = call();
    await expect.poll(() => server.hooks.look().waiters).toBe(1);
    const [answer] = await Promise.all([waiting, stopServing(server.app)]);
    expect(answer.status).toBe(504);
  });
});
