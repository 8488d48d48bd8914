import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Bell, startBell } from '../../../src/events/bell.ts';
import { startDelivering } from '../../../src/events/deliver.ts';
import { makeSubscriptions } from '../../../src/events/subscriptions.ts';
import { silentLogger } from '../../../src/log.ts';
import { makeCallOut } from '../../../src/programs/outbound.ts';
import { pruneDeliveries } from '../../../src/sql/subscriptions.ts';
import { makeTestApp } from '../../support/app.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { emit, until } from '../../support/events.ts';

const log = silentLogger();
let database: TestDatabase;
let bell: Bell;
let app: Awaited<ReturnType<typeof makeTestApp>>['app'];
let receiver: Server;
let url: string;
let received: { headers: IncomingHttpHeaders; body: string }[] = [];
/** What the receiver answers, one after the other; then 204. */
let answers: number[] = [];
let tenant = 'local';
let stops: (() => Promise<void>)[] = [];

beforeAll(async () => {
  database = await createDatabase();
  bell = startBell(database.url, log);
  const authenticate = () => ({ user: 'eve', tenant, permissions: 'all' as const });
  ({ app } = await makeTestApp({ subscriptions: makeSubscriptions(database.db), authenticate }));
  receiver = createServer((request, response) => {
    void text(request).then((body) => {
      received.push({ headers: request.headers, body });
      response.statusCode = answers.shift() ?? 204;
      response.setHeader('location', '/elsewhere');
      response.end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
});
afterAll(async () => {
  receiver.close();
  await app.close();
  await bell.stop();
  await database.drop();
});
beforeEach(async () => {
  [received, answers, tenant] = [[], [], 'local'];
  await database.db.pool.query('truncate ms_event, ms_event_cursor, ms_subscription cascade');
});
afterEach(async () => {
  await Promise.all(stops.map((stop) => stop()));
  stops = [];
});

const start = async (allow = ['127.0.0.1']) => {
  const callOut = makeCallOut(allow);
  const running = startDelivering({
    db: database.db,
    bell,
    log,
    service: 'umbel',
    poll: 20,
    delays: [10, 10],
    findSecret: (name) =>
      ({ old: 'plain secret', new: `whsec_${Buffer.from('bytes').toString('base64')}` })[name],
    post: async (call) => (await callOut({ ...call, method: 'POST', expects: () => true })).status,
  });
  stops.push(running.stop);
  await until(async () => (await database.db.pool.query('select 1 from ms_event_cursor')).rowCount === 1);
};
const call = async (method: 'GET' | 'POST' | 'DELETE', path: string, payload?: object) => {
  const response = await app.inject({ method, url: path, ...(payload ? { payload } : {}) });
  return {
    status: response.statusCode,
    ...(response.json() as { data: never; errors: { error: string; path?: string }[] }),
  };
};
const subscribe = async (rest: object = {}) => {
  const { status, data } = await call('POST', '/subscriptions', {
    names: ['execution.*'],
    url,
    secrets: ['old'],
    ...rest,
  });
  expect(status).toBe(201);
  return (data as { id: string }).id;
};
const deliveries = async (id: string, query = '') =>
  (await call('GET', `/subscriptions/${id}/deliveries${query}`)).data as {
    id: string;
    status: string;
    attempts: number;
    answer: number | null;
    error: string | null;
  }[];
const settled = (id: string) =>
  until(async () => {
    const [first] = await deliveries(id);
    return first !== undefined && first.status !== 'pending' && first;
  });
const bodies = () => received.map(({ body }) => JSON.parse(body) as { payload: unknown });

describe('a subscription', () => {
  it('posts the events that it names, each once, signed as Standard Webhooks are', async () => {
    await start();
    const id = await subscribe({ secrets: ['old', 'new'] });
    await emit(database.db.pool, 'flow.started', 1);
    await emit(database.db.pool, 'execution.failed', 2);
    expect(await settled(id)).toMatchObject({ status: 'delivered', attempts: 1, answer: 204 });
    expect(bodies()).toEqual([
      {
        id: expect.any(String),
        headers: { name: 'execution.failed', createdAt: expect.any(String), serviceName: 'umbel' },
        payload: 2,
      },
    ]);
    const [{ headers, body }] = received as [(typeof received)[number]];
    const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`;
    const sign = (key: string) => `v1,${createHmac('sha256', key).update(signed).digest('base64')}`;
    expect(headers['webhook-signature']).toBe(`${sign('plain secret')} ${sign('bytes')}`);
    expect(Math.abs(Number(headers['webhook-timestamp']) - Date.now() / 1000)).toBeLessThan(60);
  });

  it('of a flow posts what is about that flow alone', async () => {
    await start();
    const id = await subscribe({ flow: 'mine', names: ['*'] });
    const say = (payload: object) =>
      database.db.pool.query(`select umbel_emit_v1('{a}', '{local}', array[$1::jsonb])`, [payload]);
    await say({ id: 'x', flow: 'other' });
    await say({ id: 'x', flow: 'mine' });
    await say({ flow: { id: 'mine' } });
    await say({ id: 'mine' });
    await until(
      async () => (await deliveries(id)).filter(({ status }) => status === 'delivered').length === 3,
    );
    expect(received).toHaveLength(3);
  });

  it('tries again what is not taken, with the same id, and says how it went', async () => {
    answers = [500, 302];
    await start();
    const id = await subscribe();
    await emit(database.db.pool, 'execution.failed', 1);
    expect(await settled(id)).toMatchObject({ status: 'delivered', attempts: 3 });
    expect(new Set(received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(received).toHaveLength(3);
  });

  it('gives up after so many attempts, shows it, and sends it again when it is told to', async () => {
    answers = [500, 500, 503];
    await start();
    const id = await subscribe();
    await emit(database.db.pool, 'execution.failed', 1);
    const dead = await settled(id);
    expect(dead).toMatchObject({ status: 'dead', attempts: 3, answer: 503, error: 'answered 503' });
    expect(await deliveries(id, '?status=delivered')).toEqual([]);
    expect((await call('POST', `/subscriptions/${id}/deliveries/${dead.id}/retry`)).status).toBe(202);
    await until(async () => (await deliveries(id, '?status=delivered')).length === 1);
    expect((await call('POST', `/subscriptions/${id}/deliveries/${dead.id}/retry`)).status).toBe(404);
  });

  it('gives up at once when the receiver is gone for good', async () => {
    answers = [410];
    await start();
    const id = await subscribe();
    await emit(database.db.pool, 'execution.failed', 1);
    expect(await settled(id)).toMatchObject({ status: 'dead', attempts: 1, answer: 410 });
  });

  it('sends nothing unsigned, nor where it may not', async () => {
    await start([]);
    const [unsigned, forbidden] = [await subscribe({ secrets: ['unknown'] }), await subscribe()];
    await emit(database.db.pool, 'execution.failed', 1);
    expect(await settled(unsigned)).toMatchObject({ status: 'dead', error: 'there is no secret "unknown"' });
    expect((await settled(forbidden)).error).toContain('OUTBOUND_ALLOW');
    expect(received).toEqual([]);
  });

  it('does not hold up another whose receiver is slow or broken', async () => {
    await start();
    const broken = await subscribe({ url: 'http://127.0.0.1:1/' });
    const well = await subscribe();
    await emit(database.db.pool, 'execution.failed', 1, 2, 3);
    await until(() => received.length === 3);
    expect((await settled(broken)).status).toBe('dead');
    expect(await deliveries(well)).toHaveLength(3);
  });

  it('belongs to its tenant', async () => {
    await start();
    const id = await subscribe();
    tenant = 'other';
    expect((await call('GET', '/subscriptions')).data).toEqual([]);
    expect((await call('DELETE', `/subscriptions/${id}`)).status).toBe(404);
    expect((await call('GET', `/subscriptions/${id}/deliveries`)).status).toBe(404);
    const foreign = await subscribe();
    await emit(database.db.pool, 'execution.failed', 1);
    tenant = 'local';
    await settled(id);
    tenant = 'other';
    expect(await deliveries(foreign)).toEqual([]);
  });

  it('is listed, ends with what was not sent, and its id is its own', async () => {
    const id = await subscribe({ id: 'alerts', flow: 'f' });
    expect((await call('GET', '/subscriptions')).data).toEqual([
      { id, names: ['execution.*'], flow: 'f', url, secrets: ['old'], createdAt: expect.any(String) },
    ]);
    expect(await call('POST', '/subscriptions', { id, names: ['*'], url, secrets: ['old'] })).toMatchObject({
      status: 409,
      errors: [{ error: 'SUBSCRIPTION_EXISTS' }],
    });
    expect((await call('DELETE', `/subscriptions/${id}`)).status).toBe(200);
    expect((await call('GET', '/subscriptions')).data).toEqual([]);
  });

  it.each([
    { url: 'ftp://x' },
    { url: 'nowhere' },
    { names: [] },
    { names: ['a b'] },
    { secrets: [] },
    { secret: 'x' },
  ])('is refused with %o', async (rest) => {
    expect(
      (await call('POST', '/subscriptions', { names: ['*'], url, secrets: ['old'], ...rest })).status,
    ).toBe(400);
  });

  it('keeps what was settled for a time', async () => {
    await start();
    const id = await subscribe();
    await emit(database.db.pool, 'execution.failed', 1);
    await settled(id);
    expect(await pruneDeliveries(database.db, 3_600_000)).toBe(0);
    expect(await pruneDeliveries(database.db, 0)).toBe(1);
  });
});
