// Every kind of waiting, with everything killed and started anew in the middle of it.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { UmbelClient } from '../../src/index.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { untilStatuses } from '../support/flows.ts';
import { umbel } from '../support/run.ts';
import { startRegister, startWatch, until } from '../support/service.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

const order = {
  id: 'order',
  deadline: '1h',
  steps: [
    { id: 'review', program: 'approval.wait', params: { prompt: 'Ship it?' } },
    { id: 'price', program: 'signal.wait', params: { name: 'price', timeout: '1d' } },
    { id: 'ship', program: 'empty', awaitCallback: true, timeout: { total: '1d', heartbeat: '1h' } },
    { id: 'invoice', program: 'flow.execute', params: { flow: 'invoice' } },
    { id: 'nap', program: 'timer.sleep', params: { duration: '1s' } },
    { id: 'done', program: 'empty', after: ['review', 'price', 'ship', 'invoice', 'nap'] },
  ],
};
const invoice = {
  id: 'invoice',
  steps: [{ id: 'paid', program: 'signal.wait', params: { name: 'paid' } }],
};

test('signals, approvals, callbacks, sub-executions and sleeps survive kill -9 of everything', async () => {
  const env = { DATABASE_URL: database.url, LOG_LEVEL: 'info', POLL_INTERVAL: '200ms' };
  const register = await startRegister(env);
  const watch = await startWatch({ ...env, PUBLIC_URL: register.address });
  const client = new UmbelClient({ url: register.address });
  for (const flow of [invoice, order]) await client.flows.define(flow);
  const { id } = await client.execute('order', { input: { item: 7 } });
  await untilStatuses(database.db, id, [2, 2, 2, 2, 3, 0]);
  await Promise.all([register.stop('SIGKILL'), watch.stop('SIGKILL')]);

  const again = await startRegister(env);
  const later = new UmbelClient({ url: again.address });
  const waiting = await later.executions.get(id);
  expect(waiting.status).toBe('waiting');
  expect(waiting.deadline).not.toBeNull();
  expect(waiting.tasks.map(({ why }) => why)).toEqual([
    'waits for an approval, the signal "review"',
    expect.stringMatching(/^waits for the signal "price" until /),
    expect.stringMatching(/^waits for its callback until /),
    expect.stringMatching(/^waits for the execution \S+ that it started$/),
    null,
    expect.stringMatching(/^waits for review \(signal\)/),
  ]);
  const cli = await umbel(['signal', id, 'review', 'true', '--comment', 'fine'], {
    env: { DATABASE_URL: database.url },
  });
  expect([cli.stderr, cli.code]).toEqual(['', 0]);
  await startWatch({ ...env, PUBLIC_URL: again.address });
  await later.executions.signal(id, 'price', { value: 12 });
  const post = (path: string, body: unknown) =>
    fetch(`${again.address}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const token = waiting.tasks[2]!.callbackToken!;
  expect((await post(`/tasks/${token}/heartbeat`, {})).status).toBe(204);
  expect((await post(`/tasks/${token}/complete`, { result: 'shipped' })).status).toBe(202);
  expect((await post(`/tasks/${token}/complete`, { result: 'again' })).status).toBe(404);
  const { executions } = await later.executions.list({ flow: 'invoice' });
  expect(executions).toMatchObject([{ parent: id, status: 'waiting' }]);
  await later.executions.resume(executions[0]!.id, { input: { paid: true } });

  const ended = await until(
    () => later.executions.get(id),
    ({ status }) => status === 'success',
  );
  expect(Object.fromEntries(ended.tasks.map(({ step, output }) => [step, output]))).toMatchObject({
    review: { approved: true, by: 'local', comment: 'fine', value: true },
    price: 12,
    ship: 'shipped',
    invoice: { paid: true },
    nap: { until: expect.any(String) },
    done: { price: 12, ship: 'shipped', invoice: { paid: true } },
  });
});
