import { afterEach, describe, expect, it } from 'vitest';
import { UmbelError } from '../../../src/errors.ts';
import type { AppDeps } from '../../../src/http/app.ts';
import { makeTestApp } from '../../support/app.ts';

let made: Awaited<ReturnType<typeof makeTestApp>> | undefined;
afterEach(() => made?.app.close());

async function start(rest: Partial<AppDeps> = {}) {
  made = await makeTestApp(rest);
  const { app } = made;
  const post = (url: string, payload?: object) =>
    app.inject({ method: 'POST', url, ...(payload === undefined ? {} : { payload }) });
  return { ...made, post };
}

describe.each(['pause', 'resume', 'abort'])('POST /executions/{id}/%s', (verb) => {
  it('asks for the tenant of the caller, needs no body, and answers 202 with the status', async () => {
    const { post, controlled } = await start();
    const answer = await post(`/executions/my%2Fown%20id/${verb}`);
    expect(answer.statusCode).toBe(202);
    expect(answer.json()).toEqual({ data: { id: 'my/own id', status: 'running' }, meta: {} });
    expect(controlled).toEqual([{ verb, tenant: 'local', id: 'my/own id' }]);
  });

  it('refuses keys that it does not know', async () => {
    const { post, controlled } = await start();
    const answer = await post(`/executions/a/${verb}`, { now: true });
    expect(answer.json()).toMatchObject({ errors: [{ code: 400, error: 'BODY_INVALID', path: 'now' }] });
    expect(controlled).toEqual([]);
  });
});

describe('POST /executions/{id}/resume', () => {
  it('takes input for what waits, from whoever gives it', async () => {
    const { post, controlled } = await start();
    expect((await post('/executions/a/resume', { input: null })).statusCode).toBe(202);
    expect(controlled).toEqual([{ verb: 'resume', tenant: 'local', id: 'a', input: null, by: 'local' }]);
  });
});

describe('POST /executions/{id}/signals/{name}', () => {
  it('sends a value and a comment, in the name of the caller', async () => {
    const { post, controlled } = await start();
    const answer = await post('/executions/a/signals/go%2Fon', { value: { n: [1] }, comment: 'fine' });
    expect(answer.statusCode).toBe(202);
    expect(answer.json()).toEqual({ data: { id: 'a', status: 'running' }, meta: {} });
    const sent = { id: 'a', name: 'go/on', value: { n: [1] }, comment: 'fine', by: 'local' };
    expect(controlled).toEqual([{ verb: 'signal', tenant: 'local', ...sent }]);
  });

  it('needs no body: the value is null then', async () => {
    const { post, controlled } = await start();
    await post('/executions/a/signals/go');
    expect(controlled).toMatchObject([{ name: 'go', value: null }]);
  });

  it.each([{ by: 'somebody else' }, { comment: 1 }, { values: 1 }])('refuses %j', async (body) => {
    const { post, controlled } = await start();
    const answer = await post('/executions/a/signals/go', body);
    expect(answer.json()).toMatchObject({ errors: [{ error: 'BODY_INVALID', path: Object.keys(body)[0] }] });
    expect(controlled).toEqual([]);
  });
});

describe('POST /executions/{id}/tasks/{step}/…', () => {
  it('reruns with edited parameters, and what comes after', async () => {
    const { post, controlled } = await start();
    const body = { params: { URL: 'http://x', deep: [1] }, downstream: true };
    expect((await post('/executions/a/tasks/load%2F1/rerun', body)).statusCode).toBe(202);
    expect(controlled).toEqual([{ verb: 'rerun', tenant: 'local', id: 'a', step: 'load/1', ...body }]);
  });

  it('needs no body', async () => {
    const { post, controlled } = await start();
    expect((await post('/executions/a/tasks/b/rerun')).statusCode).toBe(202);
    expect((await post('/executions/a/tasks/b/skip')).statusCode).toBe(202);
    expect(controlled).toMatchObject([{ verb: 'rerun' }, { verb: 'skip', id: 'a', step: 'b' }]);
  });

  it.each([{ params: [] }, { downstream: 'yes' }, { param: {} }])('refuses %j', async (body) => {
    const { post, controlled } = await start();
    const answer = await post('/executions/a/tasks/b/rerun', body);
    expect(answer.json()).toMatchObject({
      errors: [{ code: 400, error: 'BODY_INVALID', path: Object.keys(body)[0] }],
    });
    expect(controlled).toEqual([]);
  });
});

describe('POST /executions/rerun', () => {
  const bulk = { filter: { flow: 'load', since: '2026-01-01T00:00:00Z' }, from: 'failed' };

  it('answers 202 with what it set back and where to go on', async () => {
    const { post, controlled } = await start();
    const answer = await post('/executions/rerun', { ...bulk, params: { x: 1 } });
    expect(answer.statusCode).toBe(202);
    expect(answer.json()).toEqual({
      data: [{ id: 'a', tasks: 2 }],
      meta: { cursor: 'next', dryRun: false },
    });
    expect(controlled).toMatchObject([{ verb: 'rerunMany', tenant: 'local', ...bulk, params: { x: 1 } }]);
  });

  it('answers 200 to a dry run', async () => {
    const { post, controlled } = await start();
    const answer = await post('/executions/rerun', { filter: {}, from: 'b', dryRun: true });
    expect([answer.statusCode, answer.json().meta.dryRun]).toEqual([200, true]);
    expect(controlled).toMatchObject([{ from: 'b', dryRun: true }]);
  });

  it.each([
    {},
    { filter: {} },
    { from: 'failed' },
    { filter: { flow: '' }, from: 'failed' },
    { filter: { state: 'failed' }, from: 'failed' },
    { filter: { since: 'yesterday' }, from: 'failed' },
    { filter: {}, from: '' },
    { filter: {}, from: { step: 'b' } },
    { filter: {}, from: 'failed', limit: 1001 },
  ])('refuses %j', async (body) => {
    const { post, controlled } = await start();
    const answer = await post('/executions/rerun', body);
    expect(answer.json()).toMatchObject({ errors: [{ code: 400, error: 'BODY_INVALID' }] });
    expect(controlled).toEqual([]);
  });
});

describe('every verb', () => {
  const urls = [
    '/executions/a/pause',
    '/executions/a/resume',
    '/executions/a/abort',
    '/executions/a/signals/b',
    '/executions/a/tasks/b/rerun',
    '/executions/a/tasks/b/skip',
  ];
  const all = (answer: () => Promise<never>) => ({
    pause: answer,
    resume: answer,
    abort: answer,
    signal: answer,
    rerun: answer,
    skip: answer,
  });

  it.each(urls)('%s needs the permission executions.control', async (url) => {
    const permissions = new Set(['executions.read', 'executions.start']);
    const { post, controlled } = await start({
      authenticate: () => ({ user: 'u', tenant: 't', permissions }),
    });
    for (const one of [url, '/executions/rerun']) {
      const answer = await post(one, {});
      expect([one, answer.statusCode]).toEqual([one, 403]);
      expect(answer.json()).toMatchObject({ errors: [{ error: 'MISSING_PERMISSION' }] });
    }
    expect(controlled).toEqual([]);
    permissions.add('executions.control');
    expect((await post(url)).statusCode).toBe(202);
    expect(controlled).toMatchObject([{ tenant: 't' }]);
  });

  it.each(urls)('%s answers 404, 409 and 503 as the registrar refuses', async (url) => {
    const errors = [
      new UmbelError('EXECUTION_NOT_FOUND', { execution: 'a' }),
      new UmbelError('EXECUTION_ENDED', { execution: 'a', status: 'success', verb: 'paused' }),
      new UmbelError('DATABASE_UNREACHABLE', { reason: 'x' }),
    ];
    const { post } = await start({ control: all(() => Promise.reject(errors.shift()!)) });
    for (const [code, error] of [
      [404, 'EXECUTION_NOT_FOUND'],
      [409, 'EXECUTION_ENDED'],
      [503, 'DATABASE_UNREACHABLE'],
    ])
      expect((await post(url)).json()).toMatchObject({ errors: [{ code, error }] });
  });

  it.each(urls)('%s is only posted', async (url) => {
    const { app } = await start();
    expect((await app.inject(url)).statusCode).toBe(405);
  });
});
