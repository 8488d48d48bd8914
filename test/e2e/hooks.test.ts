import { createHmac } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { createDatabase } from '../support/database.ts';
import { defineFlow } from '../support/flows.ts';
import { closeHook, openHook } from '../support/hooks.ts';
import { startRegister, startWatch, until } from '../support/service.ts';

test('a signed synchronous hook is answered by a flow that runs in another process', async () => {
  const database = await createDatabase();
  onTestFinished(database.drop);
  await defineFlow(database.db, 'quote', [
    { program: 'empty' },
    { program: 'hook.reply', params: { status: 201, body: { price: 12 } } },
    { program: 'empty' },
  ]);
  await openHook(database.db, 'quote', {
    mode: 'sync',
    auth: { type: 'hmac', secrets: ['my-shop'], encoding: 'hex' },
  });
  const env = { DATABASE_URL: database.url };
  const [one, other] = await Promise.all([
    startRegister({ ...env, SECRET_MY_SHOP: 's3cret' }),
    startRegister({ ...env, SECRET_MY_SHOP: 's3cret' }),
    startWatch(env),
  ]);
  const body = '{"item":"tea"}';
  const call = (address: string, secret: string) =>
    fetch(`${address}/hook/quote`, {
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
  await closeHook(database.db, 'quote');
  for (const { address } of [one, other])
    await until(
      async () => (await call(address, 's3cret')).status,
      (status) => status === 404,
      5,
    );
});
