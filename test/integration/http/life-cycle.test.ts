import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { App } from '../../../src/http/app.ts';
import { LOCAL_CALLER, type Caller } from '../../../src/http/permissions.ts';
import { makeRegistrar } from '../../../src/registrar/registrar.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { makeWholeApp } from '../../support/whole-app.ts';

let database: TestDatabase;
let app: App;
let caller: Caller;
let moving = 0;
beforeAll(async () => {
  database = await createDatabase();
  const registrar = makeRegistrar({ db: database.db, wake: () => {}, onMoving: () => (moving += 1) });
  app = await makeWholeApp(database.db, { ...registrar, authenticate: () => caller });
});
afterAll(async () => {
  await app.close();
  await database.drop();
});
beforeEach(async () => {
  caller = LOCAL_CALLER;
  moving = 0;
  await query('delete from ms_task_definition');
  await query('delete from ms_flow');
  await query('truncate ms_event, ms_component');
  await query(
    `insert into ms_task_definition (task_id, task_seq, program) values ('x', 1, 'empty'), ('y', 1, 'empty')`,
  );
});

const query = (text: string, values: unknown[] = []) => database.db.pool.query(text, values);

async function send(method: string, url: string, payload?: unknown) {
  const answer = await app.inject({
    method: method as 'POST',
    url,
    ...(payload === undefined ? {} : { payload: payload as object }),
  });
  return { status: answer.statusCode, body: answer.json<Record<string, unknown>>() };
}
const refusal = (status: number, message: unknown) => ({
  status,
  body: { errors: [expect.objectContaining({ message, code: status })] },
});

describe('start and stop', () => {
  it('answer where the flow stands', async () => {
    expect(await send('POST', '/flows/x/start')).toEqual({
      status: 200,
      body: { data: { id: 'x', status: 'starting' }, meta: {} },
    });
    expect(moving).toBe(1);
    expect((await send('POST', '/flows/x/start', {})).status).toBe(200);
    expect((await send('POST', '/flows/x/stop')).body['data']).toEqual({ id: 'x', status: 'stopping' });
  });

  it('answer 404 for what is not there or foreign', async () => {
    expect(await send('POST', '/flows/z/start')).toEqual(refusal(404, 'No flow with this ID found'));
    caller = { user: 'eve', tenant: 'elsewhere', permissions: new Set(['flows.control']) };
    expect(await send('POST', '/flows/x/stop')).toEqual(refusal(404, 'No flow with this ID found'));
  });

  it('need flows.control', async () => {
    caller = {
      user: 'u',
      tenant: 'local',
      permissions: new Set(['flows.write', 'flows.read', 'flows.bulk']),
    };
    for (const url of ['/flows/x/start', '/flows/x/stop', '/flows/multiple/start', '/flows/multiple/stop'])
      expect((await send('POST', url, [])).status).toBe(403);
  });

  it('of several answer each, also the bad ones', async () => {
    const { status, body } = await send('POST', '/flows/multiple/start', ['x', 'z', 7, 'y']);
    expect(status).toBe(200);
    expect(body['data']).toEqual([
      { id: 'x', status: 'starting' },
      { id: 'z', errors: [expect.objectContaining({ code: 404, message: 'No flow with this ID found' })] },
      { id: 7, errors: [expect.objectContaining({ code: 400 })] },
      { id: 'y', status: 'starting' },
    ]);
    expect((await send('POST', '/flows/multiple/stop', { ids: ['x'] })).status).toBe(400);
  });
});

describe('/components', () => {
  const crm = { id: 'crm', kind: 'http', address: 'http://crm.example', name: 'CRM' };

  it('creates, shows, lists, changes and deletes', async () => {
    const created = await send('POST', '/components', crm);
    expect(created).toMatchObject({
      status: 201,
      body: { data: { ...crm, isGlobal: false, tenant: 'local' } },
    });
    expect(created.body['data']).not.toHaveProperty('status');
    expect(await send('GET', '/components/crm')).toMatchObject({ status: 200, body: created.body });
    expect((await send('GET', '/components')).body).toMatchObject({ data: [crm], meta: { total: 1 } });
    const changed = await send('PATCH', '/components/crm', { name: null, isGlobal: true, timeout: '3s' });
    expect(changed.body['data']).toMatchObject({ isGlobal: true, status: 'inactive', timeout: '3s' });
    expect(changed.body['data']).not.toHaveProperty('name');
    expect((await send('DELETE', '/components/crm')).body['data']).toEqual({ id: 'crm' });
    expect((await send('GET', '/components/crm')).status).toBe(404);
  });

  it.each([
    [{ ...crm, id: 'a.b' }, 'id'],
    [{ ...crm, id: 'program' }, 'id'],
    [{ ...crm, kind: 'container' }, 'kind'],
    [{ ...crm, address: undefined }, 'address'],
    [{ ...crm, address: 'file:///etc/passwd' }, 'address'],
    [{ ...crm, argv: ['ls'] }, 'argv'],
    [{ id: 'p', kind: 'process' }, 'argv'],
    [{ id: 'p', kind: 'process', argv: [] }, 'argv'],
    [{ ...crm, adress: 'x' }, 'adress'],
  ])('refuses %j', async (component, path) => {
    const { status, body } = await send('POST', '/components', component);
    expect({ status, body }).toMatchObject({
      status: 400,
      body: { errors: [{ path, error: 'COMPONENT_INVALID' }] },
    });
  });

  it('keeps those of tenants apart', async () => {
    await send('POST', '/components', crm);
    caller = { user: 'eve', tenant: 'elsewhere', permissions: 'all' };
    expect((await send('GET', '/components/crm')).status).toBe(404);
    expect((await send('GET', '/components')).body['data']).toEqual([]);
    expect((await send('POST', '/components', crm)).status).toBe(201);
    expect((await send('POST', '/components', crm)).status).toBe(409);
  });

  it('starts and stops global ones only, which must be inactive to be changed', async () => {
    await send('POST', '/components', crm);
    expect((await send('POST', '/components/global/crm/start')).status).toBe(409);
    await send('PATCH', '/components/crm', { isGlobal: true });
    expect((await send('POST', '/components/global/crm/start')).body['data']).toEqual({
      id: 'crm',
      status: 'starting',
    });
    expect(moving).toBe(1);
    expect((await send('PATCH', '/components/crm', { name: 'x' })).status).toBe(409);
    expect((await send('DELETE', '/components/crm')).status).toBe(409);
    expect((await send('POST', '/components/global/nobody/stop')).status).toBe(404);
  });
});
