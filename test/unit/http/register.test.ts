import { afterEach, describe, expect, it } from 'vitest';
import { UmbelError } from '../../../src/errors.ts';
import type { Register } from '../../../src/registrar/register.ts';
import { makeTestApp } from '../../support/app.ts';

let made: Awaited<ReturnType<typeof makeTestApp>> | undefined;
afterEach(() => made?.app.close());

async function start(register?: Register) {
  made = await makeTestApp(register === undefined ? {} : { register });
  const { app, registered } = made;
  const post = (url: string, rest: object = {}) => app.inject({ method: 'POST', url, ...rest });
  const send = (payload: string, type = 'application/json') =>
    post('/register/example', { payload, headers: { 'content-type': type } });
  return { ...made, post, send, flows: () => registered.map(({ flow }) => flow) };
}

function failing(error: Error): Register {
  return async () => {
    throw error;
  };
}

describe('POST /register/{task_id}', () => {
  it('answers 200 with an object that names the task and the execution', async () => {
    const { post } = await start();
    const answer = await post('/register/example');
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    expect(answer.json()).toEqual({ status: 'succeeded', taskId: 'example', taskFlowId: 'id-1' });
  });

  it('registers for the tenant of the caller and says what triggered it', async () => {
    const { post, registered } = await start();
    await post('/register/example');
    expect(registered[0]).toMatchObject({ tenant: 'local', trigger: { kind: 'register', user: 'local' } });
  });

  it.each([
    ['a plain id', '/register/example', 'example'],
    ['one trailing slash', '/register/example/', 'example'],
    ['only one trailing slash', '/register/example//', 'example/'],
    ['a trailing slash before a query', '/register/example/?now=1', 'example'],
    ['slashes', '/register/team/nightly/load', 'team/nightly/load'],
    ['encoded slashes', '/register/team%2Fload', 'team/load'],
    ['an encoded slash at the end, which belongs to the id', '/register/load%2F', 'load/'],
    ['percent-encoding', '/register/l%C3%A4uft%20%3F%23%25', 'läuft ?#%'],
    ['percent-encoding once, not twice', '/register/a%252Fb', 'a%2Fb'],
    ['a plus sign as it is', '/register/a+b', 'a+b'],
    ['dots as they are', '/register/..%2Fa', '../a'],
    ['case', '/register/ExAmple', 'ExAmple'],
  ])('takes %s', async (_what, url, flow) => {
    const { post, flows } = await start();
    expect((await post(url)).json()).toMatchObject({ status: 'succeeded', taskId: flow });
    expect(flows()).toEqual([flow]);
  });

  it('is case-sensitive in its own path', async () => {
    const { post } = await start();
    expect((await post('/Register/example')).statusCode).toBe(404);
  });

  it.each(['/register/%zz', '/register/%', '/register/%ff'])(
    'answers 400 to broken encoding: %s',
    async (url) => {
      const { post, flows } = await start();
      const answer = await post(url);
      expect(answer.statusCode).toBe(400);
      expect(answer.json()).toMatchObject({ errors: [{ code: 400, error: 'PATH_INVALID' }] });
      expect(flows()).toEqual([]);
    },
  );

  it('answers 400 to an id with a NUL character', async () => {
    const { post, flows } = await start();
    expect((await post('/register/a%00b')).statusCode).toBe(400);
    expect(flows()).toEqual([]);
  });

  it('does not look for ids that no row can have', async () => {
    const { post, flows } = await start();
    const answers = await Promise.all([post('/register/'), post(`/register/${'x'.repeat(257)}`)]);
    for (const answer of answers) {
      expect(answer.statusCode).toBe(404);
      expect(answer.json()).toMatchObject({ status: 'failed', description: 'no tasks registered' });
    }
    expect(flows()).toEqual([]);
  });

  it('looks for ids of 256 characters, however long their encoding', async () => {
    const { post, flows } = await start();
    await post(`/register/${'%F0%9F%8C%BC'.repeat(256)}`);
    expect(flows()).toEqual(['🌼'.repeat(256)]);
  });
});

describe('what the registrar refuses', () => {
  it('answers 404 in the form of Flower to an unknown flow', async () => {
    const { post } = await start(failing(new UmbelError('FLOW_NOT_FOUND', { flow: 'nope' })));
    const answer = await post('/register/nope');
    expect(answer.statusCode).toBe(404);
    expect(answer.json()).toEqual({ status: 'failed', taskId: 'nope', description: 'no tasks registered' });
  });

  it('answers 422 with every problem of an invalid definition', async () => {
    const problems = [
      { path: 'steps[0].after[0]', message: 'no step is called "lode"' },
      { path: '', message: 'a circle' },
    ];
    const { post } = await start(failing(new UmbelError('DEFINITION_INVALID', { flow: 'load', problems })));
    const answer = await post('/register/load');
    expect(answer.statusCode).toBe(422);
    expect(answer.json()).toMatchObject({
      status: 'failed',
      taskId: 'load',
      errors: [
        { code: 422, error: 'DEFINITION_INVALID', ...problems[0] },
        { code: 422, error: 'DEFINITION_INVALID', message: 'a circle' },
      ],
    });
  });

  it.each([
    new UmbelError('DATABASE_UNREACHABLE', { reason: 'connect ECONNREFUSED 10.0.0.7:5432' }),
    new UmbelError('QUEUE_FULL', { waiting: 50_000 }),
  ])('answers 503 and when to try again: $code', async (error) => {
    const { post } = await start(failing(error));
    const answer = await post('/register/example');
    expect(answer.statusCode).toBe(503);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(answer.json()).toMatchObject({ status: 'failed', taskId: 'example' });
    expect(answer.body).not.toContain('10.0.0.7');
  });

  it('answers 500 without a word of an unexpected error, and logs it', async () => {
    const { post, logged } = await start(failing(new Error('password is hunter2')));
    const answer = await post('/register/example');
    expect(answer.statusCode).toBe(500);
    expect(answer.json()).toMatchObject({ status: 'failed', taskId: 'example' });
    expect(answer.body).not.toContain('hunter2');
    expect(logged).toHaveLength(1);
  });
});

describe('the body', () => {
  it.each([
    ['no body and no type', {}],
    [
      'an empty body of a form',
      { payload: '', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    ],
    ['an empty body of JSON', { payload: '', headers: { 'content-type': 'application/json' } }],
    ['an empty body of a type that is none', { payload: '', headers: { 'content-type': 'whatever' } }],
    ['an empty object', { payload: {} }],
  ])('may be missing: %s', async (_what, rest) => {
    const { post } = await start();
    expect((await post('/register/example', rest)).statusCode).toBe(200);
  });

  it('passes on parameters, input, priority and idempotency key', async () => {
    const { send, registered } = await start();
    const body = {
      params: { a: [1, { b: null }] },
      input: 'any',
      priority: -20,
      idempotencyKey: 'k'.repeat(256),
    };
    expect((await send(JSON.stringify(body))).statusCode).toBe(200);
    expect(registered[0]).toMatchObject(body);
  });

  it('keeps an input of null apart from none', async () => {
    const { send, registered } = await start();
    await send('{"input":null}');
    await send('{}');
    expect(registered.map(({ input }) => input)).toEqual([null, undefined]);
  });

  it.each([
    ['a list', '[]'],
    ['null', 'null'],
    ['a text', '"x"'],
    ['an unknown key', '{"parms":{}}'],
    ['params that are no object', '{"params":[]}'],
    ['a priority in text', '{"priority":"1"}'],
    ['a priority between whole numbers', '{"priority":1.5}'],
    ['a priority above 19', '{"priority":20}'],
    ['a priority below -20', '{"priority":-21}'],
    ['an empty idempotency key', '{"idempotencyKey":""}'],
    ['a long idempotency key', `{"idempotencyKey":"${'k'.repeat(257)}"}`],
    ['a NUL character', String.raw`{"input":{"a":["\u0000"]}}`],
    ['a NUL character in a key', String.raw`{"input":{"\u0000":1}}`],
    ['half a surrogate pair', String.raw`{"input":"\ud83c"}`],
    ['a number beyond all numbers', '{"input":1e999}'],
    ['nesting without end', `{"input":${'['.repeat(20_000)}${']'.repeat(20_000)}}`],
    ['a poisoned prototype', '{"input":{"__proto__":{"admin":true}}}'],
    ['a poisoned constructor', '{"input":{"constructor":{"prototype":{"admin":true}}}}'],
  ])('is refused with 400: %s', async (_what, payload) => {
    const { send, registered } = await start();
    const answer = await send(payload);
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ status: 'failed', taskId: 'example' });
    expect(answer.json().errors[0]).toMatchObject({ code: 400, error: 'BODY_INVALID' });
    expect(registered).toEqual([]);
  });

  it.each(['{"params":', 'x', '{} {}', ' '])(
    'is refused with 400 when it is no JSON: %s',
    async (payload) => {
      const { send, registered } = await start();
      const answer = await send(payload);
      expect(answer.statusCode).toBe(400);
      expect(answer.json()).toMatchObject({
        taskId: 'example',
        description: expect.stringContaining('not valid JSON'),
      });
      expect(registered).toEqual([]);
    },
  );

  it('says what an unknown key may have meant', async () => {
    const { send } = await start();
    const answer = await send('{"parms":{}}');
    expect(answer.json().errors).toEqual([
      {
        message: '"parms" is not known (did you mean "params"?)',
        code: 400,
        error: 'BODY_INVALID',
        path: 'parms',
      },
    ]);
  });

  it('names every problem at once', async () => {
    const { send } = await start();
    const answer = await send('{"priority":99,"idempotencyKey":"","x":1}');
    expect(answer.json().errors).toHaveLength(3);
  });

  it('may begin with a byte order mark', async () => {
    const { send, registered } = await start();
    expect((await send('\uFEFF{"priority":1}')).statusCode).toBe(200);
    expect(registered[0]?.priority).toBe(1);
  });

  it('is refused with 413 over 1 MiB', async () => {
    const { send } = await start();
    const largest = `{"input":"${'x'.repeat((1 << 20) - 12)}"}`;
    expect((await send(largest)).statusCode).toBe(200);
    const answer = await send(`${largest} `);
    expect(answer.statusCode).toBe(413);
    expect(answer.json()).toMatchObject({ status: 'failed', taskId: 'example' });
  });

  it.each(['application/x-www-form-urlencoded', 'text/plain', 'application/jsonp'])(
    'is refused with 415 when it is %s',
    async (type) => {
      const { send, registered } = await start();
      expect((await send('{"priority":1}', type)).statusCode).toBe(415);
      expect(registered).toEqual([]);
    },
  );
});
