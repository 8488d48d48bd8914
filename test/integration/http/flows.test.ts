import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeApp, type App } from '../../../src/http/app.ts';
import { makeRegistrar } from '../../../src/registrar/registrar.ts';
import { makeSchedules } from '../../../src/triggers/schedules.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { makeNoHooks } from '../../support/hooks.ts';

let database: TestDatabase;
let app: App;
beforeAll(async () => {
  database = await createDatabase();
  const log = { warn: () => {}, error: () => {} };
  app = await makeApp({
    ...makeRegistrar({ db: database.db, wake: () => {} }),
    hooks: makeNoHooks(),
    schedules: makeSchedules(database.db),
    log,
  });
});
afterAll(async () => {
  await app.close();
  await database.drop();
});
beforeEach(() =>
  query('truncate ms_task_definition, ms_flow, ms_flow_version, ms_plan, kr_task_stat, kr_flow_stat cascade'),
);

const query = (text: string, values: unknown[] = []) => database.db.pool.query(text, values);

interface Body {
  data: unknown;
  meta: object;
  errors: { error: string }[];
}

async function send(method: string, url: string, payload?: object) {
  const answer = await app.inject({
    method: method as 'POST',
    url,
    ...(payload === undefined ? {} : { payload }),
  });
  const body = answer.body === '' ? undefined : answer.json();
  return { status: answer.statusCode, body: body as Body };
}
const step = (id: string, rest: object = {}) => ({ id, program: 'empty', ...rest });
const flow = { steps: [step('a', { params: { deep: { list: [1, null] } } }), step('b', { after: ['a'] })] };

describe('/flows/{flow}/steps', () => {
  it('creates, shows, replaces and deletes steps', async () => {
    const created = await send('POST', '/flows/a%2Fb/steps', step('x', { after: ['y'] }));
    expect(created).toEqual({
      status: 201,
      body: {
        data: { id: 'x', program: 'empty', params: {}, after: ['y'] },
        meta: { warnings: [{ path: 'steps[0].after[0]', message: expect.stringContaining('"y"') }] },
      },
    });
    expect((await send('POST', '/flows/a%2Fb/steps', step('y'))).body.meta).toEqual({ warnings: [] });
    expect(await send('PUT', '/flows/a%2Fb/steps/y', step('z', { name: 'Zed' }))).toMatchObject({
      status: 200,
      body: { data: { id: 'z', name: 'Zed' } },
    });
    expect(await send('GET', '/flows/a%2Fb/steps')).toMatchObject({
      status: 200,
      body: { data: [{ id: 'x', after: ['z'] }, { id: 'z' }], meta: { flow: { id: 'a/b' } } },
    });
    expect((await send('DELETE', '/flows/a%2Fb/steps/z')).body).toMatchObject({
      errors: [{ code: 409, error: 'STEP_REQUIRED', message: expect.stringContaining('"x"') }],
    });
    expect(await send('DELETE', '/flows/a%2Fb/steps/z?detach=1')).toEqual({ status: 204, body: undefined });
    expect((await send('GET', '/flows/a%2Fb/steps')).body.data).toEqual([step('x', { params: {} })]);
  });

  it('says what is missing, taken or wrong', async () => {
    await send('PUT', '/flows/f', flow);
    const refused = async (method: string, url: string, payload?: object) => {
      const { status, body } = await send(method, url, payload);
      return [status, ...new Set(body.errors.map(({ error }) => error))];
    };
    expect(await refused('POST', '/flows/f/steps', step('a'))).toEqual([409, 'STEP_EXISTS']);
    expect(await refused('POST', '/flows/f/steps', { id: 'c', retry: -1 })).toEqual([
      422,
      'DEFINITION_INVALID',
    ]);
    expect(await refused('POST', '/flows/f/steps', [])).toEqual([422, 'DEFINITION_INVALID']);
    expect(await refused('PUT', '/flows/f/steps/nope', step('c'))).toEqual([404, 'STEP_NOT_FOUND']);
    expect(await refused('DELETE', '/flows/f/steps/nope')).toEqual([404, 'STEP_NOT_FOUND']);
    expect(await refused('DELETE', '/flows/f/steps/a?detach=yes')).toEqual([400, 'QUERY_INVALID']);
    expect(await refused('DELETE', '/flows/f/steps/a?force=1')).toEqual([400, 'QUERY_INVALID']);
    for (const url of ['/flows/x/steps', '/flows/x/graph', '/flows/x/versions'])
      expect(await refused('GET', url)).toEqual([404, 'FLOW_NOT_FOUND']);
    expect(await refused('DELETE', '/flows/x')).toEqual([404, 'FLOW_NOT_FOUND']);
  });
});

describe('/flows/{flow}', () => {
  it('creates, replaces, shows and deletes a flow', async () => {
    const created = await send('PUT', '/flows/f', { ...flow, defaults: { priority: 3 } });
    expect(created).toMatchObject({
      status: 201,
      body: {
        data: { id: 'f', defaults: { priority: 3 }, steps: flow.steps },
        meta: { changes: { kind: 'created' } },
      },
    });
    const replaced = await send('PUT', '/flows/f', { id: 'f', ...flow });
    expect(replaced).toMatchObject({
      status: 200,
      body: { meta: { changes: { kind: 'changed', keys: ['defaults'] } } },
    });
    expect((await send('GET', '/flows/f/graph')).body.data).toMatchObject({
      levels: [['a'], ['b']],
      problems: [],
    });
    const { version } = replaced.body.meta as { version: string };
    expect((await send('GET', '/flows/f/versions')).body.data).toMatchObject([
      { version, current: true },
      { current: false },
    ]);
    expect(await send('DELETE', '/flows/f')).toEqual({ status: 200, body: { data: { id: 'f' }, meta: {} } });
    expect((await send('GET', '/flows/f/steps')).status).toBe(404);
  });

  it('names every problem with its place', async () => {
    const { status, body } = await send('PUT', '/flows/f', {
      id: 'g',
      stepps: [],
      steps: [{ id: 'all', program: 1 }],
    });
    expect(status).toBe(422);
    expect(body.errors.map((error) => ({ ...error, error: undefined }))).toEqual(
      [
        ['stepps', 'is not known (did you mean "steps"?)'],
        ['steps[0].program', 'must be text of 1 to 256 characters'],
        ['steps[0].id', '"all" is reserved; choose another step id'],
        ['id', 'must be "f", as the flow is called'],
      ].map(([path, message]) => ({ path, message, code: 422 })),
    );
  });

  it.each(['bulk', 'multiple'])('cannot be called %s', async (id) => {
    expect((await send('PUT', `/flows/${id}`, flow)).status).toBe(422);
    expect((await send('POST', `/flows/${id}/steps`, step('a'))).status).toBe(422);
  });
});

describe('POST /flows/{flow}/executions', () => {
  const execute = (payload?: object, id = 'f') => send('POST', `/flows/${id}/executions`, payload);
  const idOf = async (payload?: object) => ((await execute(payload)).body.data as { id: string }).id;
  beforeEach(() => send('PUT', '/flows/f', flow));

  it('answers 202 with the id at once', async () => {
    const { status, body } = await execute();
    expect([status, body]).toEqual([202, { data: { id: expect.any(String) }, meta: {} }]);
    const shown = await send('GET', `/executions/${(body.data as { id: string }).id}`);
    expect(shown.body.data).toMatchObject({
      flow: 'f',
      trigger: { kind: 'api', user: 'local' },
      tasks: [{}, {}],
    });
  });

  it('takes input, priority, overrides and an idempotency key', async () => {
    const body = { input: { n: 1 }, priority: -3, params: { deep: 7 }, idempotencyKey: 'k' };
    const id = await idOf(body);
    expect(await idOf(body)).toBe(id);
    expect((await send('GET', `/executions/${id}`)).body.data).toMatchObject({
      input: { n: 1 },
      tasks: [{ priority: -3, params: { deep: 7 } }, { priority: -3 }],
    });
  });

  it('gives the same execution for the same id and request, and 409 for another request', async () => {
    expect(await idOf({ id: 'mine', input: { a: 1, b: 2 } })).toBe('mine');
    expect(await idOf({ id: 'mine', input: { b: 2, a: 1 } })).toBe('mine');
    const other = await execute({ id: 'mine', input: { a: 2 } });
    expect([other.status, other.body.errors[0]?.error]).toEqual([409, 'EXECUTION_EXISTS']);
    await send('PUT', '/flows/g', flow);
    expect((await execute({ id: 'mine', input: { a: 1, b: 2 } }, 'g')).status).toBe(409);
    expect((await query('select count(*)::int n from kr_flow_stat')).rows).toEqual([{ n: 1 }]);
    await execute({ idempotencyKey: 'k' });
    expect((await execute({ id: 'other', idempotencyKey: 'k' })).body.errors).toMatchObject([{ code: 409 }]);
  });

  it('waits for the end and answers with what came of it', async () => {
    const waiting = execute({ id: 'w', wait: '30s' });
    await expect
      .poll(async () => (await query(`select from kr_task_stat where task_flow_id = 'w'`)).rowCount)
      .toBe(2);
    await query(`update kr_task_stat set exec_status = 3, result = '{"n": 1}' where task_flow_id = 'w'`);
    expect(await waiting).toEqual({
      status: 200,
      body: { data: { id: 'w', status: 'success', output: { n: 1 }, error: null }, meta: {} },
    });
  });

  it('answers with every leaf when there are several, and with the error of a failure', async () => {
    await send('PUT', '/flows/f', { steps: [step('a'), step('b')] });
    await execute({ id: 'w' });
    await query(
      `update kr_task_stat set exec_status = 3, result = to_jsonb(task_exec_seq) where task_flow_id = 'w'`,
    );
    expect((await execute({ id: 'w', async: false })).body.data).toMatchObject({ output: { a: 1, b: 2 } });
    await execute({ id: 'v' });
    await query(`update kr_task_stat set exec_status = 3 where task_flow_id = 'v' and task_exec_seq = 1`);
    await query(
      `update kr_task_stat set exec_status = 2, reason = 'failed', error = '{"name": "E"}' where task_flow_id = 'v' and task_exec_seq = 2`,
    );
    expect((await execute({ id: 'v', async: false })).body.data).toEqual({
      id: 'v',
      status: 'failed',
      output: null,
      error: { name: 'E' },
    });
  });

  it('answers 202 when the budget is over', async () => {
    expect(await execute({ id: 'w', wait: 1 })).toEqual({
      status: 202,
      body: { data: { id: 'w' }, meta: {} },
    });
  });

  it.each([
    [{ wait: '6m' }, 'wait'],
    [{ wait: 'long' }, 'wait'],
    [{ wait: '1s', async: true }, 'wait'],
    [{ step: 'nope' }, 'step'],
    [{ retries: -1 }, 'retries'],
    [{ inputt: 1 }, 'inputt'],
    [{ id: '' }, 'id'],
    [{ params: { nope: 1 } }, 'params.nope'],
  ])('refuses %j', async (body, path) => {
    const refused = await execute(body);
    expect(refused.status).toBe(400);
    expect(refused.body.errors).toMatchObject([{ error: 'BODY_INVALID', path }]);
    expect((await query('select from kr_flow_stat')).rowCount).toBe(0);
  });

  it('refuses what cannot run: 404 for no flow, 422 for a broken one', async () => {
    expect((await execute({}, 'nope')).status).toBe(404);
    await send('POST', '/flows/g/steps', step('a', { after: ['b'] }));
    expect((await execute({}, 'g')).body.errors).toMatchObject([{ code: 422, path: 'steps[0].after[0]' }]);
  });
});

describe('inputSchema', () => {
  const schema = { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } };
  const refused = { error: 'INPUT_INVALID', path: 'input.n', message: 'must be integer', code: 422 };

  it('is checked wherever an execution is started, however the flow was defined', async () => {
    await send('PUT', '/flows/typed', { inputSchema: schema, steps: [step('a')] });
    await query(`insert into ms_task_definition (task_id, task_seq, program) values ('by-sql', 1, 'empty')`);
    await query(`update ms_flow set settings = $1 where task_id = 'by-sql'`, [{ inputSchema: schema }]);
    for (const id of ['typed', 'by-sql']) {
      const input = { n: 'x' };
      expect(await send('POST', `/register/${id}`, { input })).toMatchObject({
        status: 422,
        body: { errors: [refused] },
      });
      expect(await send('POST', `/flows/${id}/executions`, { input })).toMatchObject({
        status: 422,
        body: { errors: [refused] },
      });
      expect((await send('POST', `/flows/${id}/executions`)).status).toBe(422);
      expect((await send('POST', `/flows/${id}/executions`, { input: { n: 1 } })).status).toBe(202);
    }
    expect((await query('select 1 from kr_flow_stat')).rowCount).toBe(2);
  });

  it('counts from the moment it is changed', async () => {
    await send('PUT', '/flows/typed', { inputSchema: schema, steps: [step('a')] });
    expect((await send('POST', '/register/typed', { input: {} })).status).toBe(422);
    await send('PUT', '/flows/typed', { steps: [step('a')] });
    expect((await send('POST', '/register/typed', { input: {} })).status).toBe(200);
    await send('PUT', '/flows/typed', { inputSchema: schema, steps: [step('a')] });
    expect((await send('POST', '/register/typed', { input: {} })).status).toBe(422);
  });

  it('that is none is refused with the definition, and in rows when they are started', async () => {
    const wrong = { inputSchema: { type: 'objekt' }, steps: [step('a')] };
    expect(await send('PUT', '/flows/wrong', wrong)).toMatchObject({
      status: 422,
      body: { errors: [{ error: 'DEFINITION_INVALID', path: 'inputSchema.type' }] },
    });
    await query(`insert into ms_task_definition (task_id, task_seq, program) values ('by-sql', 1, 'empty')`);
    await query(
      `update ms_flow set settings = '{"inputSchema": {"type": "objekt"}}' where task_id = 'by-sql'`,
    );
    expect(await send('POST', '/register/by-sql')).toMatchObject({
      status: 422,
      body: { errors: [{ path: 'inputSchema.type' }] },
    });
  });
});

describe('expressions', () => {
  it('are judged when the flow is defined, all at once', async () => {
    const steps = [
      step('a', { input: '$steps.b' }),
      step('b', { params: { x: ['${{ ( }}'] }, select: '$secrets.x' }),
    ];
    const { status, body } = await send('PUT', '/flows/wrong', { steps });
    expect(status).toBe(422);
    const places = new Set(body.errors.map((error) => (error as { path?: string }).path));
    expect(places).toEqual(new Set(['steps[0].input', 'steps[1].params.x[0]', 'steps[1].select']));
  });

  it('may name steps that are created later', async () => {
    const created = await send('POST', '/flows/late/steps', step('b', { after: ['a'], input: '$steps.a' }));
    expect(created).toMatchObject({
      status: 201,
      body: { meta: { warnings: [{ path: 'steps[0].after[0]' }, { path: 'steps[0].input' }] } },
    });
    expect((await send('POST', '/register/late')).status).toBe(422);
    expect(await send('POST', '/flows/late/steps', step('a'))).toMatchObject({
      status: 201,
      body: { meta: { warnings: [] } },
    });
    expect((await send('POST', '/register/late')).status).toBe(200);
  });

  it('in rows are judged when they are started', async () => {
    await query(
      `insert into ms_task_definition (task_id, task_seq, program, params, options) values
         ('by-sql', 1, 'empty', '{}', '{"input": "$steps.\`2\`"}'), ('by-sql', 2, 'empty', '{"x": "\${{ $steps.\`1\` }}"}', null)`,
    );
    expect(await send('POST', '/register/by-sql')).toMatchObject({
      status: 422,
      body: { errors: [{ path: 'steps[0].input' }] },
    });
  });
});
