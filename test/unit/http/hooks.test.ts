// What the routes of webhooks promise without a database: who may knock, and how many at once.
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { AppDeps } from '../../../src/http/app.ts';
import { serve } from '../../../src/http/serve.ts';
import { readHookSettings, type HookSettings } from '../../../src/triggers/hook-settings.ts';
import { makeTestApp } from '../../support/app.ts';
import { makeNoHooks } from '../../support/hooks.ts';

let made: Awaited<ReturnType<typeof makeTestApp>> | undefined;
afterEach(() => made?.app.close());

/** Every flow has an open hook without settings. */
async function start(rest: Partial<AppDeps> = {}) {
  const started: object[] = [];
  const counted: string[] = [];
  const settings = readHookSettings(null) as HookSettings;
  const hooks: AppDeps['hooks'] = {
    ...makeNoHooks(),
    known: (flow) => ({ flow, tenant: 'local', version: '1', settings }),
    count: (outcome) => counted.push(outcome),
    start: async (_hook, message) => {
      started.push(message);
      return { outcome: 'registered', id: `id-${started.length}` };
    },
  };
  made = await makeTestApp({ hooks, ...rest });
  return { ...made, started, counted };
}

describe('a page of another site', () => {
  it.each([
    ['POST', { 'sec-fetch-site': 'cross-site' }],
    ['GET', { 'sec-fetch-site': 'cross-site' }],
    ['GET', { host: 'rebound.example' }],
  ] as const)(
    'cannot start a flow by %s while the server is its own machine alone: %j',
    async (method, headers) => {
      const { app, started } = await start({ hosts: new Set(['127.0.0.1']) });
      const answer = await app.inject({ method, url: '/hook/a', headers });
      expect([answer.statusCode, answer.json()]).toMatchObject([
        403,
        { errors: [{ error: 'FOREIGN_PAGE' }] },
      ]);
      expect(started).toEqual([]);
    },
  );

  it('may call where anybody may', async () => {
    const { app } = await start();
    const headers = { 'sec-fetch-site': 'cross-site' };
    expect((await app.inject({ method: 'POST', url: '/hook/a', headers })).statusCode).toBe(200);
  });
});

describe('connections that send nonsense, or nothing', () => {
  async function listen() {
    const world = await start();
    await serve(world.app, { host: '127.0.0.1', port: 0 });
    const { port } = world.app.server.address() as AddressInfo;
    const sockets: Socket[] = [];
    const open = () =>
      new Promise<Socket>((resolve, reject) => {
        const socket = connect(port, '127.0.0.1', () => resolve(socket)).once('error', reject);
        sockets.push(socket);
      });
    const close = () => sockets.forEach((socket) => socket.destroy());
    return { ...world, port, open, close };
  }

  it('register nothing when the body is shorter than announced', async () => {
    const { open, close, started, counted } = await listen();
    const socket = await open();
    socket.end(
      'POST /hook/a HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 10\r\n\r\nshort',
    );
    await expect.poll(() => counted).toEqual(['body_malformed']);
    expect(started).toEqual([]);
    close();
  });

  it('get one answer when the body is longer than announced', async () => {
    const { open, close, started } = await listen();
    const socket = await open();
    let heard = '';
    socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
    socket.write(
      'POST /hook/a HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\noknonsense\r\n\r\n',
    );
    await expect.poll(() => heard).toMatch(/HTTP\/1\.1 400/);
    expect(started).toHaveLength(1);
    close();
  });

  it('are refused when they announce a length in two ways', async () => {
    const { open, close, started } = await listen();
    const socket = await open();
    let heard = '';
    socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
    socket.write(
      'POST /hook/a HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    );
    await expect.poll(() => heard).toMatch(/HTTP\/1\.1 400/);
    expect(started).toEqual([]);
    close();
  });

  it('keep nobody else waiting, though there are thousands that wait with half a body', async () => {
    const { open, close, port, started } = await listen();
    for (let opened = 0; opened < 2_000; opened += 200) {
      const batch = await Promise.all(Array.from({ length: 200 }, open));
      for (const socket of batch)
        socket.write(
          'POST /hook/a HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n\r\nx',
        );
    }
    const answer = await fetch(`http://127.0.0.1:${port}/hook/a`, { method: 'POST' });
    expect(answer.status).toBe(200);
    expect(started).toHaveLength(1);
    close();
  });
});
