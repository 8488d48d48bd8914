import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { App } from '../../../src/http/app.ts';
import { LOCAL_CALLER, type Caller } from '../../../src/http/permissions.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { makeWholeApp } from '../../support/whole-app.ts';

let database: TestDatabase;
let app: App;
let caller: Caller;
beforeAll(async () => {
  database = await createDatabase();
  app = await makeWholeApp(database.db, { authenticate: () => caller });
});
afterAll(async () => {
  await app.close();
  await database.drop();
});
beforeEach(async () => {
  caller = LOCAL_CALLER;
  await query('delete from ms_task_definition');
  await query('delete from ms_flow');
  await query('truncate ms_event, ms_component, kr_watcher');
});

const query = async (text: string, values: unknown[] = []) =>
  (await database.db.pool.query<Record<string, unknown>>(text, values)).rows;

interface Body {
  data: { id: string; [key: string]: unknown } & { id: string }[];
  meta: Record<string, unknown>;
  errors: { message: string; code: number; error: string; path?: string }[];
}

async function send(method: string, url: string, payload?: unknown) {
  const answer = await app.inject({
    method: method as 'POST',
    url,
    ...(payload === undefined ? {} : { payload: payload as object }),
  });
  return { status: answer.statusCode, body: answer.json<Body>() };
}

const node = (id: string, rest: object = {}) => ({ id, componentId: 'http', function: 'request', ...rest });
const one = (rest: object = {}) => ({ graph: { nodes: [node('a')] }, ...rest });
const chain = {
  name: 'Orders to the CRM',
  description: 'every hour',
  type: 'ordinary',
  cron: '0 * * * *',
  timezone: 'Europe/Berlin',
  flowSettings: { schedule: { misfire: 'all' } },
  graph: {
    nodes: [
      node('fetch', { name: 'Fetch', description: 'from the shop', fields: { url: 'https://x.example' } }),
      { id: 'keep', componentId: 'program', function: 'empty' },
      {
        id: 'send',
        componentId: 'crm',
        function: 'upsert',
        credentials_id: 'c1',
        nodeSettings: { raw: true },
      },
    ],
    edges: [
      { id: 'e1', source: 'fetch', target: 'keep' },
      { source: 'keep', target: 'send', config: { condition: '$input.total > 10' } },
    ],
  },
};
const as = (user: string, tenant: string, ...permissions: string[]): Caller => ({
  user,
  tenant,
  permissions: new Set(['flows.read', 'flows.write', 'flows.bulk', 'flows.control', ...permissions]),
});
const messages = (body: Body) => body.errors.map(({ message }) => message);
const events = async () =>
  (await query('select name from ms_event order by event_id')).map(({ name }) => name);

describe('a flow posted as a graph', () => {
  it('comes back as it was written, with its life cycle and owners', async () => {
    const { status, body } = await send('POST', '/flows', { id: 'crm/orders', ...chain });
    expect(status).toBe(201);
    expect(body.data).toEqual({
      id: 'crm/orders',
      ...chain,
      status: 'inactive',
      tenant: 'local',
      owners: [
        { id: 'local', type: 'user' },
        { id: 'local', type: 'tenant' },
      ],
      createdAt: expect.stringMatching(/^\d{4}-.*Z$/),
      updatedAt: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    expect(await send('GET', '/flows/crm%2Forders')).toEqual({
      status: 200,
      body: { data: body.data, meta: {} },
    });
    expect(await events()).toEqual(['flowrepo.flow.created']);
  });

  it('is rows of ms_flow and ms_task_definition', async () => {
    await send('POST', '/flows', { id: 'x', ...chain });
    const rows = await query(
      'select step_id, program, params, after, options from ms_task_definition order by task_seq',
    );
    expect(rows).toMatchObject([
      { step_id: 'fetch', program: 'http.request', params: { url: 'https://x.example' }, after: [] },
      { step_id: 'keep', program: 'empty', after: ['fetch'], options: { edgeIds: { fetch: 'e1' } } },
      { step_id: 'send', program: 'crm.upsert', options: { conditions: { keep: '$input.total > 10' } } },
    ]);
    expect(await query('select cron, timezone, type, settings from ms_flow')).toEqual([
      {
        cron: '0 * * * *',
        timezone: 'Europe/Berlin',
        type: 'ordinary',
        settings: { flowSettings: { schedule: { misfire: 'all' } } },
      },
    ]);
  });

  it('gets an id when it has none', async () => {
    const { body } = await send('POST', '/flows', one());
    expect(body.data.id).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('may say of its nodes what steps say, and loses nothing when its graph is sent back', async () => {
    await send('PUT', '/flows/x', {
      maxRunning: 2,
      defaults: { retry: 1 },
      steps: [
        { id: 'a', program: 'empty', retry: { limit: 3, on: ['HttpError'] }, timeout: '3s' },
        { id: 'b', program: 'empty', after: ['a'], allowFail: true, priority: -3, pool: 'fast' },
      ],
    });
    const before = (await send('GET', '/flows/x/steps')).body;
    const { graph, maxRunning } = (await send('GET', '/flows/x')).body.data;
    expect(maxRunning).toBe(2);
    expect((await send('PATCH', '/flows/x', { graph })).status).toBe(200);
    expect((await send('GET', '/flows/x/steps')).body).toEqual(before);
  });

  it('is refused with every problem at once, in one list', async () => {
    const { status, body } = await send('POST', '/flows', {
      graph: {
        nodes: [{}, node('a'), node('a', { fields: 1, colour: 'red' }), node('b')],
        edges: [{ target: 'a' }, { source: 'a' }, { source: 'x', target: 'y' }],
      },
      owners: [{}],
      cron: '61 * * * *',
      status: 'active',
    });
    expect(status).toBe(400);
    expect(new Set(body.errors.map(({ code, error }) => `${code} ${error}`))).toEqual(
      new Set(['400 FLOW_INVALID']),
    );
    expect(messages(body)).toEqual(
      expect.arrayContaining([
        'Flow nodes require an id.',
        'Flow nodes require a componentId.',
        'Flow nodes require a function.',
        'Flow edges require a source.',
        'Flow edges require a target.',
        'Edge source with id "x" could not be found among nodes.',
        'Edge target with id "y" could not be found among nodes.',
        'Flow owners require an id.',
        'Flow owners require a type.',
        expect.stringMatching(/^Invalid cron expression\. Invalid value for minute: 61/),
        'Flow status cannot be set manually. Use the flow start/stop end points instead.',
        'must be an object',
        expect.stringContaining('is not known'),
      ]),
    );
    expect(body.errors.filter(({ path }) => path?.startsWith('graph.edges[0]'))).toHaveLength(1);
    expect(body.errors.some(({ message }) => message.includes('"a"'))).toBe(true);
  });

  it.each([
    [{}, 'Flows require a graph.'],
    [{ graph: { nodes: [] } }, 'Flows require at least one node.'],
    [{ graph: {} }, 'Flows require at least one node.'],
    [{ graph: { nodes: [node('a'), node('b')] } }, 'Flows with more than one node require edges.'],
    [one({ cron: '0 0 30 2 *' }), expect.stringMatching(/^Invalid cron expression\. .*never fires/)],
    [one({ timezone: 'Mars/Base' }), expect.stringContaining('is not a time zone')],
    [one({ colour: 1 }), expect.stringContaining('is not known')],
    [one({ flowSettings: { webhooks: { mod: 'sync' } } }), expect.stringContaining('did you mean "mode"')],
    [{ graph: { nodes: [node('a'.repeat(31))] } }, 'Flow node ids have at most 30 characters.'],
    [{ graph: { nodes: [node('a', { after: [] })] } }, 'is not known in a node'],
  ])('%j is refused', async (flow, message) => {
    const { status, body } = await send('POST', '/flows', flow);
    expect({ status, messages: messages(body) }).toEqual({ status: 400, messages: [message] });
    expect(await query('select 1 from ms_task_definition')).toEqual([]);
  });

  it('has conditions that can be read', async () => {
    const edges = [{ source: 'a', target: 'b', config: { condition: '$input. >' } }];
    const { status, body } = await send('POST', '/flows', {
      graph: { nodes: [node('a'), node('b')], edges },
    });
    expect({ status, paths: body.errors.map(({ path }) => path) }).toEqual({
      status: 400,
      paths: ['graph.nodes[1].conditions.a'],
    });
  });

  it('may not go in circles', async () => {
    const edges = [
      { source: 'a', target: 'b' },
      { source: 'b', target: 'a' },
    ];
    const { status, body } = await send('POST', '/flows', {
      graph: { nodes: [node('a'), node('b')], edges },
    });
    expect(status).toBe(400);
    expect(messages(body)).toEqual([expect.stringContaining('a → b → a')]);
  });

  it('is refused when its id is taken, whoever has it', async () => {
    await send('POST', '/flows', one({ id: 'x' }));
    const { status, body } = await send('POST', '/flows', one({ id: 'x' }));
    expect({ status, messages: messages(body) }).toEqual({ status: 409, messages: ['Flow id is taken.'] });
    caller = as('eve', 'elsewhere');
    expect((await send('POST', '/flows', one({ id: 'x' }))).status).toBe(409);
  });

  it('with an unknown program is refused when a watcher of the pool is known, else warned of', async () => {
    const flow = (id: string) => ({
      id,
      graph: { nodes: [{ id: 'a', componentId: 'no', function: 'such' }] },
    });
    expect((await send('POST', '/flows', flow('x'))).body.meta).toEqual({
      warnings: [{ path: 'graph.nodes[0].function', message: expect.stringContaining('"no.such"') }],
    });
    await query(`insert into kr_watcher (name, pool, workers, programs, release, lease_until)
                 values ('w', 'default', 1, '{empty,no.suck}', 'test', now() + interval '1 hour')`);
    const { status, body } = await send('POST', '/flows', flow('y'));
    expect({ status, messages: messages(body) }).toEqual({
      status: 400,
      messages: ['no watcher of the pool "default" has the program "no.such" (did you mean "no.suck"?)'],
    });
    await query(`insert into ms_component (component_id, kind) values ('no', 'http')`);
    expect((await send('POST', '/flows', flow('y'))).body.meta).toEqual({});
  });
});

describe('a flow defined by SQL', () => {
  it('appears with its graph', async () => {
    await query(`insert into ms_task_definition (task_id, task_seq, program, param1_key, param1_value) values
      ('sql', 1, 'EchoParamTimeSleep', 'SLEEP', '1'), ('sql', 2, 'http.request', null, null)`);
    const { body } = await send('GET', '/flows/sql');
    expect(body.data).toMatchObject({
      id: 'sql',
      status: 'inactive',
      owners: [],
      graph: {
        nodes: [
          { id: '1', componentId: 'program', function: 'EchoParamTimeSleep', fields: { SLEEP: '1' } },
          { id: '2', componentId: 'http', function: 'request' },
        ],
        edges: [{ source: '1', target: '2' }],
      },
    });
    expect((await send('GET', '/flows')).body.data).toHaveLength(1);
  });
});

describe('PATCH /flows/{id}', () => {
  it('changes what is given, and null takes a key away', async () => {
    await send('POST', '/flows', { id: 'x', ...chain });
    const { status, body } = await send('PATCH', '/flows/x', { name: 'New', cron: null });
    expect(status).toBe(200);
    const { cron: _, ...rest } = chain;
    expect(body.data).toMatchObject({ ...rest, name: 'New' });
    expect(body.data).not.toHaveProperty('cron');
    expect(await events()).toEqual(['flowrepo.flow.created', 'flowrepo.flow.modified']);
    await send('PATCH', '/flows/x', { name: 'New' });
    expect(await events()).toHaveLength(2);
  });

  it('answers 404, and 409 while the flow is not inactive; an invalid body comes first', async () => {
    const missing = await send('PATCH', '/flows/x', {});
    expect({ ...missing, body: messages(missing.body) }).toEqual({ status: 404, body: ['Flow not found'] });
    expect((await send('PATCH', '/flows/x', { cron: 'x' })).status).toBe(400);
    await send('POST', '/flows', one({ id: 'x' }));
    await query(`update ms_flow set status = 'active'`);
    expect((await send('PATCH', '/flows/x', { graph: {} })).status).toBe(400);
    for (const [method, payload] of [['PATCH', {}], ['DELETE']] as const) {
      const { status, body } = await send(method, '/flows/x', payload);
      expect({ status, messages: messages(body) }).toEqual({
        status: 409,
        messages: ['Flow is not inactive. Current status: active'],
      });
    }
    const last = await send('DELETE', '/flows/x/steps/a');
    expect(last.status).toBe(409);
  });

  it('keeps the id, the status and what nobody may set', async () => {
    await send('POST', '/flows', one({ id: 'x' }));
    expect((await send('PATCH', '/flows/x', { id: 'y' })).status).toBe(400);
    expect(messages((await send('PATCH', '/flows/x', { status: 'active' })).body)).toEqual([
      'Flow status cannot be set manually. Use the flow start/stop end points instead.',
    ]);
    const { status: _, ...shown } = (await send('GET', '/flows/x')).body.data as Record<string, unknown>;
    expect((await send('PATCH', '/flows/x', { ...shown, tenant: 'elsewhere' })).body.data['tenant']).toBe(
      'local',
    );
  });
});

describe('DELETE /flows/{id}', () => {
  it('takes the flow away, and 404 afterwards', async () => {
    await send('POST', '/flows', one({ id: 'x' }));
    expect(await send('DELETE', '/flows/x')).toEqual({ status: 200, body: { data: { id: 'x' }, meta: {} } });
    expect(messages((await send('DELETE', '/flows/x')).body)).toEqual(['Flow not found']);
    expect(messages((await send('GET', '/flows/x')).body)).toEqual(['No flow found']);
    expect(await events()).toEqual(['flowrepo.flow.created', 'flowrepo.flow.deleted']);
  });
});

describe('many at once', () => {
  it('POST of a list answers each with its flow or its errors', async () => {
    const { status, body } = await send('POST', '/flows', [one({ id: 'a' }), {}, one({ id: 'a' })]);
    expect(status).toBe(201);
    expect(body.data).toEqual([
      expect.objectContaining({ id: 'a', status: 'inactive' }),
      { errors: [expect.objectContaining({ message: 'Flows require a graph.', code: 400 })] },
      { id: 'a', errors: [expect.objectContaining({ message: 'Flow id is taken.', code: 409 })] },
    ]);
  });

  it('PATCH /flows/bulk does, too', async () => {
    await send('POST', '/flows', [one({ id: 'a' }), one({ id: 'b' })]);
    const { status, body } = await send('PATCH', '/flows/bulk', [
      { id: 'a', name: 'A' },
      { id: 'c', name: 'C' },
      { name: 'D' },
      'nonsense',
    ]);
    expect(status).toBe(200);
    expect(body.data).toEqual([
      expect.objectContaining({ id: 'a', name: 'A' }),
      { id: 'c', errors: [expect.objectContaining({ message: 'Flow not found', code: 404 })] },
      { errors: [expect.objectContaining({ path: 'id', code: 400 })] },
      { errors: [expect.objectContaining({ path: 'id', code: 400 })] },
    ]);
    expect((await send('PATCH', '/flows/bulk', {})).status).toBe(400);
  });

  it('needs flows.bulk', async () => {
    caller = { user: 'u', tenant: 't', permissions: new Set(['flows.write']) };
    const { status, body } = await send('POST', '/flows', [one()]);
    expect({ status, body }).toMatchObject({
      status: 403,
      body: { errors: [{ error: 'MISSING_PERMISSION', message: expect.stringContaining('flows.bulk') }] },
    });
    expect((await send('POST', '/flows', one())).status).toBe(201);
  });
});

describe('the list', () => {
  const list = async (search: string) => {
    const { status, body } = await send('GET', `/flows?${search}`);
    return { status, ids: body.data?.map(({ id }) => id), meta: body.meta };
  };

  it('is paged', async () => {
    await send(
      'POST',
      '/flows',
      Array.from({ length: 25 }, (_, at) => one({ id: `f${at + 10}` })),
    );
    expect(await list('')).toMatchObject({
      ids: expect.arrayContaining(['f10', 'f19']),
      meta: { total: 25, page: 1, perPage: 10, totalPages: 3 },
    });
    const third = await list('page[size]=12&page[number]=3');
    expect(third).toMatchObject({ ids: ['f34'], meta: { total: 25, page: 3, perPage: 12, totalPages: 3 } });
    expect(await list('page[number]=9')).toMatchObject({ ids: [], meta: { total: 25, page: 9 } });
    expect((await list('page[size]=100')).ids).toHaveLength(25);
  });

  it('is filtered, searched and sorted', async () => {
    await send('POST', '/flows', [
      one({ id: 'a', name: 'Zebra', type: 'x' }),
      one({ id: 'b', name: 'apple', description: 'eaten by a ZEBRA', owners: [{ id: 'u', type: 'user' }] }),
      one({ id: 'c', name: 'Mango' }),
    ]);
    await query(`update ms_flow set status = 'active' where task_id = 'a'`);
    await query(`update ms_flow set updated_ts = now() + interval '1 hour' where task_id = 'b'`);
    const ids = async (search: string) => (await list(search)).ids;
    expect(await ids('')).toEqual(['a', 'b', 'c']);
    expect(await ids('sort=-createdAt')).toEqual(['c', 'b', 'a']);
    expect(await ids('sort=name')).toEqual(['b', 'c', 'a']);
    expect(await ids('sort=-name')).toEqual(['a', 'c', 'b']);
    expect((await ids('sort=-updatedAt'))[0]).toBe('b');
    expect(await ids('filter[status]=1')).toEqual(['a']);
    expect(await ids('filter[status]=active')).toEqual(['a']);
    expect(await ids('filter[status]=0')).toEqual(['b', 'c']);
    expect(await ids('filter[status]=starting')).toEqual([]);
    expect(await ids('filter[type]=x')).toEqual(['a']);
    expect(await ids('filter[user]=u')).toEqual(['b']);
    expect(await ids('search=zebra')).toEqual(['a', 'b']);
    expect(await ids('search=%25')).toEqual([]);
  });

  it.each([
    'page[size]=101',
    'page[size]=0',
    'page[number]=0',
    'sort=id',
    'filter[status]=2',
    'colour=red',
    'page=1',
  ])('refuses %s', async (search) => {
    expect((await list(search)).status).toBe(400);
  });
});

describe('who sees what', () => {
  it('an owner and its tenant see a flow, others get 404 and an empty list', async () => {
    caller = as('ann', 'acme');
    await send('POST', '/flows', one({ id: 'x' }));
    const look = async () => [
      (await send('GET', '/flows/x')).status,
      (await send('GET', '/flows/x/steps')).status,
      (await send('GET', '/flows')).body.meta['total'],
    ];
    expect(await look()).toEqual([200, 200, 1]);
    caller = as('bob', 'acme');
    expect(await look()).toEqual([200, 200, 1]);
    caller = as('eve', 'elsewhere');
    expect(await look()).toEqual([404, 404, 0]);
    expect((await send('PATCH', '/flows/x', { name: 'mine' })).status).toBe(404);
    expect((await send('DELETE', '/flows/x')).status).toBe(404);
    caller = { ...caller, permissions: 'all' };
    expect(await look()).toEqual([200, 200, 1]);
  });

  it('a flow that one user alone owns is foreign to the rest of the tenant, but for tenant.all', async () => {
    caller = as('ann', 'acme');
    await send('POST', '/flows', one({ id: 'x' }));
    await send('PATCH', '/flows/x', { owners: [{ id: 'ann', type: 'user' }] });
    caller = as('bob', 'acme');
    expect((await send('GET', '/flows/x')).status).toBe(404);
    expect((await send('GET', '/flows')).body.data).toEqual([]);
    caller = as('bob', 'acme', 'tenant.all');
    expect((await send('GET', '/flows/x')).status).toBe(200);
    expect((await send('GET', '/flows')).body.data).toHaveLength(1);
    caller = as('eve', 'elsewhere', 'tenant.all');
    expect((await send('GET', '/flows/x')).status).toBe(404);
    expect((await send('GET', '/flows')).body.data).toEqual([]);
  });

  it('filter[user] narrows and never widens', async () => {
    caller = as('ann', 'acme');
    await send('POST', '/flows', one({ id: 'x' }));
    caller = as('eve', 'elsewhere');
    expect((await send('GET', '/flows?filter[user]=ann')).body.data).toEqual([]);
  });

  it('a flow changed by an administrator stays with its tenant', async () => {
    caller = as('ann', 'acme');
    await send('POST', '/flows', one({ id: 'x' }));
    caller = LOCAL_CALLER;
    await send('PUT', '/flows/x', { steps: [{ id: 'b', program: 'empty' }] });
    await send('PATCH', '/flows/x', { name: 'X' });
    expect(await query('select tenant from ms_flow')).toEqual([{ tenant: 'acme' }]);
  });
});

describe('the order of checks', () => {
  it('a body that cannot be read comes before the permission, the permission before the rest', async () => {
    caller = { user: 'u', tenant: 't', permissions: new Set() };
    const headers = { 'content-type': 'application/json' };
    const broken = await app.inject({ method: 'POST', url: '/flows', payload: '{', headers });
    expect(broken.statusCode).toBe(400);
    const text = await app.inject({
      method: 'POST',
      url: '/flows',
      payload: 'x',
      headers: { 'content-type': 'text/plain' },
    });
    expect(text.statusCode).toBe(415);
    expect((await send('POST', '/flows', {})).status).toBe(403);
    expect((await send('PATCH', '/flows/none', {})).status).toBe(403);
    expect((await send('GET', '/flows?sort=nonsense')).status).toBe(403);
  });
});
