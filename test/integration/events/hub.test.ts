import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Bell, startBell } from '../../../src/events/bell.ts';
import { type Hub, makeHub } from '../../../src/events/hub.ts';
import { makeTestApp } from '../../support/app.ts';
import { silentLogger } from '../../../src/log.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { emit, until } from '../../support/events.ts';

const log = silentLogger();
let database: TestDatabase;
let bell: Bell;
let hub: Hub;
let app: Awaited<ReturnType<typeof makeTestApp>>['app'];
let address: string;
let tenant = 'local';

beforeAll(async () => {
  database = await createDatabase();
  bell = startBell(database.url, log);
});
afterAll(async () => {
  await bell.stop();
  await database.drop();
});
beforeEach(async () => {
  tenant = 'local';
  await database.db.pool.query('truncate ms_event');
  hub = makeHub({ db: database.db, bell, log, service: 'umbel', most: 3, poll: 50 });
  const authenticate = () => ({ user: 'eve', tenant, permissions: new Set(['events.read']) });
  ({ app } = await makeTestApp({ events: hub, authenticate }));
  address = await app.listen({ port: 0, host: '127.0.0.1' });
});
afterEach(() => app.close());

interface Received {
  id: string;
  payload: unknown;
  name: string;
}
/** Listens over HTTP; `got` grows. */
async function listen(query = '', headers: Record<string, string> = {}) {
  const gone = new AbortController();
  const response = await fetch(`${address}/events${query}`, { headers, signal: gone.signal });
  const got: Received[] = [];
  const ended = (async () => {
    let text = '';
    for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
      text += piece;
      const blocks = text.split('\n\n');
      text = blocks.pop()!;
      for (const block of blocks) {
        const [, id, data] = /^id: (.*)\ndata: (.*)$/.exec(block) ?? [];
        if (id === undefined) continue;
        const {
          payload,
          headers: { name },
        } = JSON.parse(data!) as { payload: unknown; headers: { name: string } };
        got.push({ id, payload, name });
      }
    }
    return 'ended';
  })().catch(() => 'cut');
  return {
    response,
    got,
    ended,
    leave: () => gone.abort(),
    payloads: () => got.map(({ payload }) => payload),
  };
}
/** One that surely listens: it has got an event made for that. */
async function listenSurely(query = '', headers: Record<string, string> = {}) {
  const one = await listen(query, headers);
  await until(async () => {
    await emit(database.db.pool, 'probe', 0);
    return one.got.length > 0;
  });
  return one;
}
const real = (one: { got: Received[] }) =>
  one.got.filter(({ name }) => name !== 'probe').map(({ payload }) => payload);

describe('GET /events', () => {
  it('gives what happens to all who listen, as server-sent events', async () => {
    const [one, two] = [await listenSurely(), await listenSurely()];
    expect(one.response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(one.response.headers.get('cache-control')).toContain('no-cache');
    await emit(database.db.pool, 'flow.started', 1, 2);
    await until(() => real(one).length === 2 && real(two).length === 2);
    expect([real(one), real(two)]).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });

  it('gives those that were asked for', async () => {
    const one = await listen('?from=start&name=flow.*&name=probe');
    for (const name of ['flow.started', 'execution.failed', 'flowrepo.flow.created'])
      await emit(database.db.pool, name, 1);
    await emit(database.db.pool, 'probe', 0);
    await until(() => one.got.some(({ name }) => name === 'probe'));
    expect(one.got.map(({ name }) => name)).toEqual(['flow.started', 'probe']);
  });

  it('goes on after the last id, however much was missed, and loses nothing that commits late', async () => {
    const first = await listenSurely();
    const slow = await database.db.pool.connect();
    await slow.query('begin');
    await emit(slow, 'a', 1);
    await emit(database.db.pool, 'a', 2);
    await until(() => real(first).length === 1);
    first.leave();
    const { id } = first.got.at(-1)!;
    await slow.query('commit');
    slow.release();
    await emit(database.db.pool, 'a', ...Array.from({ length: 1200 }, (_, n) => n + 3));
    const second = await listen('', { 'last-event-id': id });
    await until(() => real(second).length >= 1201);
    await emit(database.db.pool, 'a', 2000);
    await until(() => real(second).at(-1) === 2000);
    expect(real(second)).toEqual([1, ...Array.from({ length: 1200 }, (_, n) => n + 3), 2000]);
  });

  it('gives each event once to one who catches up while more and more happens', async () => {
    const numbers = Array.from({ length: 600 }, (_, n) => n);
    const writing = (async () => {
      for (const n of numbers) await emit(database.db.pool, 'a', n);
    })();
    const one = await listen('?from=start');
    await writing;
    await until(() => real(one).length >= numbers.length);
    await emit(database.db.pool, 'a', 999);
    await until(() => real(one).at(-1) === 999);
    expect(real(one)).toEqual([...numbers, 999]);
  });

  it('gives the events of the own tenant alone', async () => {
    tenant = 'other';
    const one = await listen('?from=start');
    await emit(database.db.pool, 'a', 1);
    await database.db.pool.query(`select umbel_emit_v1('{a}', '{other}', '{2}')`);
    await until(() => one.got.length > 0);
    expect(one.payloads()).toEqual([2]);
  });

  it('takes the id of an event, and refuses what is none', async () => {
    await emit(database.db.pool, 'a', 1, 2);
    const { rows } = await database.db.pool.query<{ id: string }>(
      'select min(event_id)::text id from ms_event',
    );
    const one = await listen('', { 'last-event-id': rows[0]!.id });
    await until(() => one.got.length > 0);
    expect(one.payloads()).toEqual([2]);
    for (const bad of ['x', '1_2', '_1_9:3:_', '_1_3:9:8,7_', '_1_3:9:11_'])
      expect((await listen('', { 'last-event-id': bad })).response.status).toBe(400);
    expect((await listen('?name=a%20b')).response.status).toBe(400);
  });

  it('ends every stream when the server stops, and has room for so many', async () => {
    const all = await Promise.all([listen(), listen(), listen()]);
    const refused = await listen();
    expect(refused.response.status).toBe(503);
    expect(refused.response.headers.get('retry-after')).toBe('2');
    await app.close();
    expect(await Promise.all(all.map(({ ended }) => ended))).toEqual(['ended', 'ended', 'ended']);
  });

  it('makes room when a client goes', async () => {
    const [first] = await Promise.all([listen(), listen(), listen()]);
    first.leave();
    await until(async () => {
      const next = await listen();
      next.leave();
      return next.response.status === 200;
    });
  });

  it('is closed to callers without the permission', async () => {
    const { app: closed } = await makeTestApp({
      events: hub,
      authenticate: () => ({ user: 'x', tenant: 'local', permissions: new Set() }),
    });
    expect((await closed.inject('/events')).statusCode).toBe(403);
    await closed.close();
  });
});
