// Hooks that ask for signatures or have a rate, served by two processes: what one took, the other does not take again.
import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/dag/vocabulary.ts';
import { dropOldHookCalls } from '../../../src/sql/hooks.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { defineFlow } from '../../support/flows.ts';
import { readInputs, startHookServer, type HookServer } from '../../support/hook-world.ts';
import { openHook } from '../../support/hooks.ts';

let database: TestDatabase;
let servers: HookServer[];
let flow: string;
let flows = 0;

beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  flow = `flow-${(flows += 1)}`;
  await defineFlow(database.db, flow, [{ program: 'empty' }]);
  servers = [await startHookServer(database.url), await startHookServer(database.url)];
});

const BODY = '{"abc":123}';
const GENUINE = 'gHPCbdbiBH+2TbRx+jM9UC6snDdDxBrw9Bck4h7zewo=';
const inputs = () => readInputs(database.db, flow);

function call(headers: Record<string, string>, { method = 'POST', body = BODY, at = 0 } = {}) {
  const init =
    method === 'POST' ? { body, headers: { 'content-type': 'application/json', ...headers } } : { headers };
  return fetch(`${servers[at]!.address}/hook/${flow}`, { method, ...init });
}

const statusOf = async (answer: Promise<Response>) => (await answer).status;

describe('a hook with a secret', () => {
  const auth = { type: 'hmac', secrets: ['old', 'shop'] };

  it('takes what is signed, and keeps the signature to itself', async () => {
    await openHook(database.db, flow, { auth });
    expect(await statusOf(call({ 'x-hmac': GENUINE }))).toBe(200);
    expect((await inputs())[0]).toMatchObject({ headers: { 'x-hmac': '[redacted]' }, body: { abc: 123 } });
  });

  it('redacts the signature in a header of any name', async () => {
    await openHook(database.db, flow, { auth: { ...auth, header: 'X-Shop' } });
    expect(await statusOf(call({ 'x-shop': GENUINE }))).toBe(200);
    expect((await inputs())[0]).toMatchObject({ headers: { 'x-shop': '[redacted]' } });
  });

  it('answers 403 to everything else, whatever the method, and registers nothing', async () => {
    await openHook(database.db, flow, { auth });
    const wrong = createHmac('sha256', '12346').update(BODY).digest('base64');
    for (const headers of [{}, { 'x-hmac': wrong }, { 'x-hmac': '' }, { authorization: 'Bearer 12345' }])
      for (const method of ['POST', 'GET', 'HEAD'])
        expect([method, await statusOf(call(headers, { method }))]).toEqual([method, 403]);
    expect(await statusOf(call({ 'x-hmac': GENUINE }, { body: `${BODY} ` }))).toBe(403);
    expect(await inputs()).toEqual([]);
    expect(servers[0]!.hooks.look().outcomes).toEqual({ hook_signature: 13 });
  });

  it('judges the signature before it looks at the body', async () => {
    await openHook(database.db, flow, { auth });
    expect(await statusOf(call({}, { body: 'not JSON' }))).toBe(403);
  });

  it('takes GET and HEAD that sign the empty text', async () => {
    await openHook(database.db, flow, { auth });
    const empty = createHmac('sha256', '12345').update('').digest('base64');
    for (const method of ['HEAD', 'GET'])
      expect(await statusOf(call({ 'x-hmac': empty }, { method }))).toBe(200);
    expect(await inputs()).toHaveLength(1);
  });
});

describe('a hook in the Standard Webhooks form', () => {
  const key = Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64');
  const seconds = (off = 0) => Math.floor(Date.now() / 1000) + off;

  function sign(id: string, time = seconds(), body = BODY): Record<string, string> {
    const signature = createHmac('sha256', key).update(`${id}.${time}.${body}`).digest('base64');
    return {
      'webhook-id': id,
      'webhook-timestamp': `${time}`,
      'webhook-signature': `v1,AAAA v1,${signature}`,
    };
  }

  beforeEach(() =>
    openHook(database.db, flow, { auth: { type: 'hmac', preset: 'standard', secrets: ['standard'] } }),
  );

  it('takes a signed call once, by all processes together', async () => {
    const headers = sign('msg_1');
    const statuses = await Promise.all([0, 1, 0, 1].map((at) => statusOf(call(headers, { at }))));
    expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 403, 403, 403]);
    expect(await statusOf(call({ ...headers, 'x-request-id': 'another' }))).toBe(403);
    expect(await inputs()).toHaveLength(1);
    const counted = servers.map(({ hooks }) => hooks.look().outcomes['hook_replayed'] ?? 0);
    expect(counted[0]! + counted[1]!).toBe(4);
  });

  it('gives the first execution to a sender that signs the same message again', async () => {
    const ids = [];
    for (const off of [-2, -1, 0]) {
      const answer = await call(sign('msg_2', seconds(off)));
      ids.push(((await answer.json()) as { data: { executionId: string } }).data.executionId);
    }
    expect(new Set(ids).size).toBe(1);
    expect(await inputs()).toHaveLength(1);
  });

  it('refuses times that are too far from now', async () => {
    for (const off of [-301, 302]) expect(await statusOf(call(sign('msg_3', seconds(off))))).toBe(403);
    expect(await inputs()).toEqual([]);
  });

  it('takes a call again of which nothing became', async () => {
    await database.db.pool.query(
      `update ms_task_definition set options = '{"nonsense": 1}' where task_id = $1`,
      [flow],
    );
    const headers = sign('msg_4');
    expect(await statusOf(call(headers))).toBe(503);
    await database.db.pool.query('update ms_task_definition set options = null where task_id = $1', [flow]);
    expect(await statusOf(call(headers, { at: 1 }))).toBe(200);
  });

  it('forgets a call when its time has passed', async () => {
    expect(await statusOf(call(sign('msg_5')))).toBe(200);
    const count = async () =>
      (await database.db.pool.query('select from kr_hook_seen where task_id = $1', [flow])).rowCount;
    await dropOldHookCalls(database.db);
    expect(await count()).toBe(1);
    await database.db.pool.query(`update kr_hook_seen set expires_ts = expires_ts - interval '1 hour'`);
    await dropOldHookCalls(database.db);
    expect(await count()).toBe(0);
  });
});

describe('a hook with a rate', () => {
  const limited = (limit: number): JsonObject => ({ rate: { limit, per: '1d' } });

  it('answers 429 over it and says when to come again', async () => {
    await openHook(database.db, flow, limited(3));
    const statuses = await Promise.all(Array.from({ length: 6 }, () => statusOf(call({}))));
    expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 200, 200, 429, 429, 429]);
    const refused = await call({});
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({ errors: [{ code: 429, error: 'HOOK_RATE' }] });
    expect(await statusOf(call({}, { method: 'HEAD' }))).toBe(200);
    expect(await inputs()).toHaveLength(3);
  });

  it('holds in the other process as well, soon', async () => {
    await openHook(database.db, flow, limited(20));
    for (let sent = 0; sent < 19; sent += 1) await call({});
    await expect
      .poll(async () => {
        const { rows } = await database.db.pool.query('select calls from kr_hook_rate where task_id = $1', [
          flow,
        ]);
        return rows;
      })
      .toEqual([{ calls: '19' }]);
    await expect.poll(() => statusOf(call({}, { at: 1 }))).toBe(429);
    const taken = (await inputs()).length;
    expect(taken).toBeGreaterThanOrEqual(20);
    expect(await statusOf(call({}, { at: 1 }))).toBe(429);
    expect(await inputs()).toHaveLength(taken);
  });

  it('does not count what nobody signed', async () => {
    await openHook(database.db, flow, { ...limited(1), auth: { type: 'hmac', secrets: ['shop'] } });
    for (let sent = 0; sent < 3; sent += 1) expect(await statusOf(call({}))).toBe(403);
    expect(await statusOf(call({ 'x-hmac': GENUINE }))).toBe(200);
    expect(await statusOf(call({ 'x-hmac': GENUINE }))).toBe(429);
  });
});
