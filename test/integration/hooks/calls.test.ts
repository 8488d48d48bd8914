// Webhooks over real connections: what a call sends is what the flow gets, and what is refused leaves nothing behind.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hookUrlOf } from '../../../src/triggers/hook-url.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { defineFlow } from '../../support/flows.ts';
import { readInputs, requestRaw, startHookServer, type HookServer } from '../../support/hook-world.ts';
import { closeHook, openHook } from '../../support/hooks.ts';

let database: TestDatabase;
let server: HookServer;
let flow: string;
let flows = 0;

beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  flow = `flow-${(flows += 1)}`;
  await defineFlow(database.db, flow, [{ program: 'empty' }]);
  await openHook(database.db, flow);
  server = await startHookServer(database.url);
});

const hookOf = (suffix = '') => `${hookUrlOf(server.address, flow)}${suffix}`;
type Body = string | Uint8Array<ArrayBuffer>;
const post = (body: Body, type?: string, headers: Record<string, string> = {}) =>
  fetch(hookOf(), {
    method: 'POST',
    body,
    headers: { ...(type === undefined ? {} : { 'content-type': type }), ...headers },
  });
const inputs = () => readInputs(database.db, flow);

describe('POST /hook/{flow}', () => {
  it('registers an execution with the message as its input and thanks at once', async () => {
    const answer = await fetch(hookOf('/orders/7?tag=a&tag=b&x='), {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-shop': 'north', authorization: 'Bearer s3cret' },
      body: '{"order": {"id": 7}}',
    });
    expect(answer.status).toBe(200);
    const { data } = (await answer.json()) as { data: Record<string, string> };
    expect(data).toEqual({
      requestId: expect.any(String),
      message: 'thank you',
      executionId: expect.any(String),
    });
    expect(answer.headers.get('x-request-id')).toBe(data['requestId']);
    const [input] = await inputs();
    expect(input).toEqual({
      headers: expect.objectContaining({ 'x-shop': 'north', authorization: '[redacted]' }),
      query: { tag: ['a', 'b'], x: '' },
      body: { order: { id: 7 } },
      method: 'POST',
      url: `/hook/${flow}/orders/7?tag=a&tag=b&x=`,
      pathSuffix: '/orders/7',
      metadata: { requestId: data['requestId'], receivedAt: expect.any(String) },
      data: { order: { id: 7 } },
    });
    const { rows } = await database.db.pool.query(
      'select task_flow_id, trigger from kr_flow_stat where task_id = $1',
      [flow],
    );
    expect(rows).toEqual([
      {
        task_flow_id: data['executionId'],
        trigger: { kind: 'webhook', requestId: data['requestId'], sync: false },
      },
    ]);
  });

  it.each([
    ['application/json', '{"a":1}', { a: 1 }],
    ['application/json', '', {}],
    ['application/vnd.api+json; charset=utf-8', '[1]', [1]],
    ['application/x-www-form-urlencoded', 'a=1&b=x+y&b=%C3%A9&c', { a: '1', b: ['x y', 'é'], c: '' }],
    ['text/plain', '{"a":1}', '{"a":1}'],
    ['text/csv', 'a,b\n1,2', 'a,b\n1,2'],
    ['application/xml', '<a>1</a>', '<a>1</a>'],
    ['application/atom+xml', '<a/>', '<a/>'],
    ['text/xml; charset=iso-8859-1', Buffer.from('<a>é</a>', 'latin1'), '<a>é</a>'],
  ])('reads %s (%s)', async (type, body, read) => {
    expect((await post(body, type)).status).toBe(200);
    const [input] = await inputs();
    expect([input!['body'], input!['data']]).toEqual([read, read]);
  });

  it('takes no body as an empty one', async () => {
    expect((await fetch(hookOf(), { method: 'POST' })).status).toBe(200);
    expect((await inputs())[0]!['body']).toEqual({});
  });

  it('reads multipart forms, files in base64', async () => {
    const form = new FormData();
    form.append('name', 'Ada');
    form.append('tag', '1');
    form.append('tag', '2');
    form.append('photo', new File([Buffer.from([0, 255])], 'a.png', { type: 'image/png' }));
    expect((await fetch(hookOf(), { method: 'POST', body: form })).status).toBe(200);
    expect((await inputs())[0]!['body']).toEqual({
      name: 'Ada',
      tag: ['1', '2'],
      photo: { filename: 'a.png', contentType: 'image/png', size: 2, base64: 'AP8=' },
    });
  });

  it.each([
    [415, undefined, Buffer.from('x')],
    [415, 'application/octet-stream', 'x'],
    [415, 'text/plain; charset=klingon', 'x'],
    [415, 'nonsense', 'x'],
    [400, 'application/json', '<a/>'],
    [400, 'application/json', '{"__proto__":{"admin":true}}'],
    [400, 'application/json', '{"constructor":{"prototype":{}}}'],
    [400, 'application/json', '"\\u0000"'],
    [400, 'application/json', Buffer.from([0x22, 0xff, 0x22])],
    [400, 'application/x-www-form-urlencoded', 'a=%zz'],
    [400, 'application/x-www-form-urlencoded', '__proto__=1'],
    [400, 'text/plain', Buffer.from([0xc3, 0x28])],
    [400, 'multipart/form-data', 'x'],
    [400, 'multipart/form-data; boundary=b', '--b\r\ncontent-disposition: form-data'],
    [
      400,
      'multipart/form-data; boundary=b',
      '--b\r\ncontent-disposition: form-data; name="__proto__"\r\n\r\n1\r\n--b--\r\n',
    ],
  ])('answers %i to a body of type %s that cannot be read: %s', async (status, type, body) => {
    const answer = await post(body, type);
    expect(answer.status).toBe(status);
    expect(((await answer.json()) as { errors: object[] }).errors[0]).toMatchObject({ code: status });
    expect(await inputs()).toEqual([]);
  });

  it('refuses a compressed body, which no signature would cover as it is read', async () => {
    expect((await post('x', 'text/plain', { 'content-encoding': 'gzip' })).status).toBe(415);
    expect(await inputs()).toEqual([]);
  });

  it('refuses a body over 1 MiB, or over what the flow allows', async () => {
    expect((await post('x'.repeat((1 << 20) + 1), 'text/plain')).status).toBe(413);
    await openHook(database.db, flow, { maxBytes: 10 });
    server.hooks.forget(flow);
    expect((await post('0123456789', 'text/plain')).status).toBe(200);
    expect((await post('0123456789x', 'text/plain')).status).toBe(413);
    const chunked = new ReadableStream({
      start(controller) {
        controller.enqueue(Buffer.from('0123456789x'));
        controller.close();
      },
    });
    const init = { method: 'POST', body: chunked, duplex: 'half', headers: { 'content-type': 'text/plain' } };
    expect((await fetch(hookOf(), init as RequestInit)).status).toBe(413);
    expect(await inputs()).toHaveLength(1);
  });

  it('answers a repeat of a request id with the first execution', async () => {
    const send = async () =>
      (await (await post('1', 'application/json', { 'x-request-id': 'order-7' })).json()) as {
        data: { executionId: string };
      };
    const [first, ...others] = await Promise.all([send(), send(), send()]);
    for (const other of others) expect(other).toEqual(first);
    expect(first).toMatchObject({ data: { requestId: 'order-7' } });
    expect(await inputs()).toHaveLength(1);
    expect((await post('1', 'application/json', { 'x-request-id': 'y'.repeat(201) })).status).toBe(400);
  });

  it('keeps request ids apart from the idempotency keys of registrations', async () => {
    const body = JSON.stringify({ idempotencyKey: 'order-7' });
    const headers = { 'content-type': 'application/json' };
    await fetch(`${server.address}/register/${flow}`, { method: 'POST', headers, body });
    await post('1', 'application/json', { 'x-request-id': 'order-7' });
    expect(await inputs()).toHaveLength(2);
  });
});

describe('GET and HEAD /hook/{flow}', () => {
  it('takes the query for the body', async () => {
    const answer = await fetch(hookOf('?id=7'));
    expect(((await answer.json()) as { data: object }).data).toMatchObject({ message: 'thank you' });
    expect((await inputs())[0]).toMatchObject({
      headers: { accept: '*/*' },
      query: { id: '7' },
      body: { id: '7' },
      data: { id: '7' },
      method: 'GET',
      url: `/hook/${flow}?id=7`,
      pathSuffix: '',
    });
  });

  it('refuses a query that would change a prototype', async () => {
    expect((await fetch(hookOf('?__proto__=1'))).status).toBe(400);
    expect(await inputs()).toEqual([]);
  });

  it('says by HEAD whether the hook is open, and starts nothing', async () => {
    const head = (url: string) => fetch(url, { method: 'HEAD' });
    expect((await head(hookOf())).status).toBe(200);
    expect((await head(hookOf('/below'))).status).toBe(200);
    expect((await head(`${server.address}/hook/nobody`)).status).toBe(404);
    expect(await inputs()).toEqual([]);
  });

  it.each(['PUT', 'PATCH', 'DELETE', 'OPTIONS'])('refuses %s', async (method) => {
    for (const suffix of ['', '/below']) {
      const answer = await fetch(hookOf(suffix), { method });
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST']);
    }
  });
});

describe('a hook that is not open', () => {
  const closed = (id: string) => ({ error: `Flow ${id} either does not exist or is inactive.` });

  it.each([
    ['inactive', {}],
    ['starting', {}],
    ['stopping', {}],
    ['active', { cron: '* * * * *' }],
  ])('answers 404 for a flow that is %s %j', async (status, { cron = null }: { cron?: string | null }) => {
    await database.db.pool.query('update ms_flow set status = $2, cron = $3 where task_id = $1', [
      flow,
      status,
      cron,
    ]);
    const answer = await post('{}', 'application/json');
    expect([answer.status, await answer.json()]).toEqual([404, closed(flow)]);
    expect((await fetch(hookOf())).status).toBe(404);
    expect(await inputs()).toEqual([]);
  });

  it('answers 404 for a flow that is not there, whatever its name', async () => {
    for (const [path, id] of [
      ['no%2Fbody', 'no/body'],
      ['%2e%2e', '..'],
      ['a%22%3Cb%3E', 'a"<b>'],
    ] as const) {
      expect(await requestRaw(server.address, `/hook/${path}`)).toEqual({ status: 404, body: closed(id) });
    }
  });

  it('is not found by another spelling of its path', async () => {
    for (const url of [
      `//hook/${flow}`,
      `/hook//${flow}`,
      `/HOOK/${flow}`,
      `/x/../hook/${flow}`,
      `/hook/${flow};a`,
      '/hook/',
      '/hook',
    ])
      expect([url, (await requestRaw(server.address, url)).status]).toEqual([url, 404]);
    expect(await inputs()).toEqual([]);
  });

  it('keeps paths below the hook as they came', async () => {
    for (const below of ['/a%2Fb', '/../c', '//d', '/'])
      expect((await requestRaw(server.address, `/hook/${flow}${below}`)).status).toBe(200);
    expect((await inputs()).map((input) => input['pathSuffix'])).toEqual(['/a%2Fb', '/../c', '//d', '/']);
  });

  it('finds a flow whose id has a slash', async () => {
    flow = `team/${flow}`;
    await defineFlow(database.db, flow, [{ program: 'empty' }]);
    await openHook(database.db, flow);
    expect((await fetch(hookOf('/x'))).status).toBe(200);
    expect((await inputs())[0]).toMatchObject({ pathSuffix: '/x' });
  });

  it('closes at once where the flow was stopped, and soon elsewhere', async () => {
    const other = await startHookServer(database.url);
    const deaf = await startHookServer(database.url, { deaf: true });
    const ask = ({ address }: HookServer) => fetch(`${address}/hook/${flow}`).then(({ status }) => status);
    expect(await Promise.all([server, other, deaf].map(ask))).toEqual([200, 200, 200]);
    await closeHook(database.db, flow);
    server.hooks.forget(flow);
    expect(await ask(server)).toBe(404);
    await expect.poll(() => ask(other)).toBe(404);
    await expect.poll(() => ask(deaf), { timeout: 5_000 }).toBe(404);
  });

  it('opens at once everywhere', async () => {
    await closeHook(database.db, flow);
    server.hooks.forget(flow);
    expect((await fetch(hookOf())).status).toBe(404);
    await openHook(database.db, flow);
    expect((await fetch(hookOf())).status).toBe(200);
  });
});

describe('a hook whose rows say what no definition may', () => {
  it.each([
    { auth: { type: 'bearer' } },
    { auth: { secrets: ['shop'] } },
    { auth: { type: 'hmac', secrets: ['nowhere'] } },
    { modus: 'sync' },
  ])('serves nobody: %j', async (webhooks) => {
    await openHook(database.db, flow, webhooks);
    const answer = await post('{}', 'application/json');
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ errors: [{ error: 'HOOK_UNUSABLE' }] });
    expect(await inputs()).toEqual([]);
  });
});
