import { describe, expect, it } from 'vitest';
import type { Registered } from '../../../src/registrar/register.ts';
import { serve, stopServing } from '../../../src/http/serve.ts';
import { makeTestApp } from '../../support/app.ts';

const anywhere = { host: '127.0.0.1', port: 0 };

describe('serve', () => {
  it('gives the address that it listens on', async () => {
    const { app } = await makeTestApp();
    const address = await serve(app, anywhere);
    expect((await fetch(`${address}/healthz`)).status).toBe(200);
    await stopServing(app);
  });

  it('says that a port is taken', async () => {
    const { app } = await makeTestApp();
    const { port } = new URL(await serve(app, anywhere));
    const other = await makeTestApp();
    await expect(serve(other.app, { host: '127.0.0.1', port: Number(port) })).rejects.toMatchObject({
      code: 'PORT_TAKEN',
      message: expect.stringContaining(port),
    });
    await stopServing(app);
  });

  it('says that an address is not of this machine', async () => {
    const { app } = await makeTestApp();
    await expect(serve(app, { host: '203.0.113.1', port: 0 })).rejects.toMatchObject({
      code: 'ADDRESS_UNUSABLE',
    });
  });
});

describe('stopServing', () => {
  /** An app with one request under way, which `finish` ends. */
  async function startHeld() {
    const held = Promise.withResolvers<Registered>();
    const reached = Promise.withResolvers<void>();
    const { app } = await makeTestApp({
      register: () => {
        reached.resolve();
        return held.promise;
      },
    });
    const address = await serve(app, anywhere);
    const answer = fetch(`${address}/register/x`, { method: 'POST' });
    await reached.promise;
    return { app, address, answer, finish: () => held.resolve({ outcome: 'registered', id: 'held' }) };
  }

  it('lets a request under way end, and takes no new connection', async () => {
    const { app, address, answer, finish } = await startHeld();
    const stopped = stopServing(app);
    const connects = () => fetch(`${address}/healthz`, { headers: { connection: 'close' } });
    while (await connects().catch(() => null));
    finish();
    expect(await (await answer).json()).toMatchObject({ taskFlowId: 'held' });
    await stopped;
  });

  it('cuts off what does not end within the grace time', async () => {
    const { app, answer } = await startHeld();
    const [ended] = await Promise.allSettled([answer, stopServing(app, 10)]);
    expect(ended).toMatchObject({ status: 'rejected', reason: { message: 'fetch failed' } });
  });
});
