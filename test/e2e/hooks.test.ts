import { createHmac } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { createDatabase } from '../support/database.ts';
import { startRegister, startWatch, until } from '../support/service.ts';

test('a signed synchronous hook is answered by a flow that runs in another process', async () => {
  const database = await createDatabase();
  onTestFinished(database.drop);
  const env = { DATABASE_URL: database.url };
  const [one, other] = await Promise.all([
    startRegister({ ...env, SECRET_MY_SHOP: 's3cret' }),
    startRegister({ ...env, SECRET_MY_SHOP: 's3cret' }),
    startWatch(env),
  ]);
  const flow = {
    id: 'team/quote',
    flowSettings: {
      webhooks: { mode: 'sync', auth: { type: 'hmac', secrets: ['my-shop'], encoding: 'hex' } },
    },
    graph: {
      nodes: [
        { id: 'look-up', componentId: 'program', function: 'empty' },
        {
          id: 'answer',
          componentId: 'hook',
          function: 'reply',
          fields: { status: 201, body: { price: 12 } },
        },
        { id: 'book', componentId: 'program', function: 'empty' },
      ],
      edges: [
        { source: 'look-up', target: 'answer' },
        { source: 'answer', target: 'book' },
      ],
    },
  };
  const ask = async (url: string, init: RequestInit = {}) => {
    const answer = await fetch(`${one.address}${url}`, init);
    return (await answer.json()) as { data: { status: string; hookUrl: string } };
  };
  const headers = { 'content-type': 'application/json' };
  const { hookUrl } = (await ask('/flows', { method: 'POST', headers, body: JSON.stringify(flow) })).data;
  expect(hookUrl).toBe(`${one.address}/hook/team%2Fquote`);
  expect((await fetch(hookUrl, { method: 'HEAD' })).status).toBe(404);
  await ask('/flows/team%2Fquote/start', { method: 'POST' });
  await until(
    async () => (await ask('/flows/team%2Fquote')).data.status,
    (status) => status === 'active',
  );
  const body = '{"item":"tea"}';
  const call = (address: string, secret: string) =>
    fetch(`${address}/hook/team%2Fquote`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-hmac': createHmac('sha256', secret).update(body).digest('hex'),
      },
      body,
    });
  for (const { address } of [one, other]) {
    const answer = await call(address, 's3cret');
    expect([answer.status, await answer.json()]).toEqual([201, { price: 12 }]);
    expect((await call(address, 'guessed')).status).toBe(403);
  }
  const metrics = await (await fetch(`${one.address}/metrics`)).text();
  expect(metrics).toContain('umbel_hook_calls_total{outcome="registered"} 1');
  expect(metrics).toContain('umbel_hook_calls_total{outcome="hook_signature"} 1');
  await ask('/flows/team%2Fquote/stop', { method: 'POST' });
  expect((await call(one.address, 's3cret')).status).toBe(404);
  for (const { address } of [one, other])
    await until(
      async () => (await call(address, 's3cret')).status,
      (status) => status === 404,
      5,
    );
});
