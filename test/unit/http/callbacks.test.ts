import { afterEach, describe, expect, it } from 'vitest';
import { UmbelError } from '../../../src/errors.ts';
import type { AppDeps } from '../../../src/http/app.ts';
import { makeTestApp } from '../../support/app.ts';

let made: Awaited<ReturnType<typeof makeTestApp>> | undefined;
afterEach(() => made?.app.close());

async function start(rest: Partial<AppDeps> = {}) {
  const asked: unknown[] = [];
  const note = async (...what: unknown[]) => {
    asked.push(what);
    return { state: 'delivered' as const };
  };
  const callbacks = {
    complete: (token: string, result: unknown) => note('complete', token, result),
    fail: (token: string, error: unknown) => note('fail', token, error),
    beat: async (token: string) => void (await note('beat', token)),
  };
  made = await makeTestApp({ callbacks, ...rest });
  const { app } = made;
  const post = (url: string, payload?: object) =>
    app.inject({ method: 'POST', url, ...(payload === undefined ? {} : { payload }) });
  return { ...made, post, asked };
}

describe('POST /tasks/{token}/…', () => {
  it('takes a result, any JSON, and null when there is none', async () => {
    const { post, asked } = await start();
    const answer = await post('/tasks/abc/complete', { result: [1] });
    expect(answer.statusCode).toBe(202);
    expect(answer.json()).toEqual({ data: { state: 'delivered' }, meta: {} });
    await post('/tasks/abc/complete');
    expect(asked).toEqual([
      ['complete', 'abc', [1]],
      ['complete', 'abc', null],
    ]);
  });

  it('takes an error, which has a name in any case', async () => {
    const { post, asked } = await start();
    await post('/tasks/abc/fail', { error: { message: 'no money' } });
    const named = { name: 'PaymentError', message: 'no money', details: { n: 1 } };
    await post('/tasks/abc/fail', { error: named });
    expect(asked).toEqual([
      ['fail', 'abc', { name: 'ProgramError', message: 'no money' }],
      ['fail', 'abc', named],
    ]);
  });

  it('takes signs of life', async () => {
    const { post, asked } = await start();
    expect((await post('/tasks/abc/heartbeat')).statusCode).toBe(204);
    expect(asked).toEqual([['beat', 'abc']]);
  });

  it.each([
    ['complete', { value: 1 }],
    ['fail', {}],
    ['fail', { error: 'no luck' }],
    ['fail', { error: { name: 'X' } }],
    ['heartbeat', { checkpoint: 1 }],
  ])('refuses %s with %j', async (verb, body) => {
    const { post, asked } = await start();
    expect((await post(`/tasks/abc/${verb}`, body)).json()).toMatchObject({
      errors: [{ code: 400, error: 'BODY_INVALID' }],
    });
    expect(asked).toEqual([]);
  });

  it('asks for no permission but the token, and for an unknown one answers 404', async () => {
    const complete = () => Promise.reject(new UmbelError('CALLBACK_NOT_FOUND', {}));
    const { post } = await start({
      authenticate: () => ({ user: 'nobody', tenant: 'none', permissions: new Set() }),
      callbacks: { complete, fail: complete, beat: complete },
    });
    for (const [verb, body] of [
      ['complete', {}],
      ['fail', { error: { message: '' } }],
      ['heartbeat', {}],
    ] as const)
      expect((await post(`/tasks/abc/${verb}`, body)).json()).toMatchObject({
        errors: [{ code: 404, error: 'CALLBACK_NOT_FOUND' }],
      });
  });
});
