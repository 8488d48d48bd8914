import { afterEach, describe, expect, it } from 'vitest';
import { UmbelError } from '../../../src/errors.ts';
import type { AppDeps } from '../../../src/http/app.ts';
import { makeTestApp } from '../../support/app.ts';

let made: Awaited<ReturnType<typeof makeTestApp>> | undefined;
afterEach(() => made?.app.close());

async function start(rest: Partial<AppDeps> = {}) {
  made = await makeTestApp(rest);
  return made;
}

describe('GET /executions', () => {
  it('asks for the tenant of the caller with what the query says', async () => {
    const { app, listed } = await start();
    const answer = await app.inject('/executions?flow=load&status=failed&limit=500&cursor=abc');
    expect(answer.json()).toEqual({ data: [], meta: {} });
    expect(listed).toEqual([{ tenant: 'local', flow: 'load', status: 'failed', limit: 500, cursor: 'abc' }]);
  });

  it.each(['limit=0', 'limit=501', 'limit=x', 'limit=', 'limit=1&limit=2', 'status=done', 'flow=', 'page=2'])(
    'refuses %s with 400',
    async (query) => {
      const { app, listed } = await start();
      const answer = await app.inject(`/executions?${query}`);
      expect(answer.statusCode).toBe(400);
      expect(answer.json()).toMatchObject({
        errors: [{ code: 400, error: 'QUERY_INVALID', path: query.split('=')[0] }],
      });
      expect(listed).toEqual([]);
    },
  );

  it('answers 503 while the database is away', async () => {
    const away = () => Promise.reject(new UmbelError('DATABASE_UNREACHABLE', { reason: 'x' }));
    const { app } = await start({ executions: { list: away, read: away } });
    for (const url of ['/executions', '/executions/x']) {
      const answer = await app.inject(url);
      expect(answer.statusCode).toBe(503);
      expect(answer.headers['retry-after']).toBe('2');
      expect(answer.json()).toMatchObject({ errors: [{ code: 503, error: 'DATABASE_UNREACHABLE' }] });
    }
  });
});

describe('GET /executions/{id}', () => {
  it('takes any id that a hand may have written', async () => {
    const asked: object[] = [];
    const read = (which: { tenant: string; id: string }) => {
      asked.push(which);
      return Promise.reject(new UmbelError('EXECUTION_NOT_FOUND', { execution: which.id }));
    };
    const { app } = await start({ executions: { list: async () => ({ data: [] }), read } });
    const answer = await app.inject('/executions/my%2Fown%20id');
    expect(answer.statusCode).toBe(404);
    expect(answer.json()).toMatchObject({ errors: [{ code: 404, error: 'EXECUTION_NOT_FOUND' }] });
    expect(asked).toEqual([{ tenant: 'local', id: 'my/own id' }]);
  });

  it('refuses a NUL character', async () => {
    const { app } = await start();
    expect((await app.inject('/executions/a%00')).statusCode).toBe(400);
    expect((await app.inject('/executions?flow=a%00')).statusCode).toBe(400);
  });
});

describe('health', () => {
  it('is alive even when it cannot serve', async () => {
    const { app } = await start({ findUnreadiness: async () => 'the database does not answer' });
    const alive = await app.inject('/healthz');
    expect([alive.statusCode, alive.json()]).toEqual([200, { status: 'ok' }]);
    const ready = await app.inject('/readyz');
    expect(ready.statusCode).toBe(503);
    expect(ready.json()).toEqual({ status: 'unavailable', reason: 'the database does not answer' });
  });

  it('is ready when nothing stands in the way', async () => {
    const { app } = await start();
    expect((await app.inject('/readyz')).statusCode).toBe(200);
  });
});

describe('/echo', () => {
  it('answers with what it was sent, JSON parsed', async () => {
    const { app } = await start();
    const answer = await app.inject({ method: 'POST', url: '/echo?a=1', payload: { id: 'test' } });
    expect(answer.json()).toMatchObject({ method: 'POST', query: { a: '1' }, body: { id: 'test' } });
  });

  it('takes text of every type', async () => {
    const { app } = await start();
    const headers = { 'content-type': 'application/xml' };
    const answer = await app.inject({ method: 'POST', url: '/echo', payload: '<a/>', headers });
    expect(answer.json()).toMatchObject({ headers, body: '<a/>' });
  });

  it('shows no secrets', async () => {
    const { app } = await start();
    const headers = {
      authorization: 'Bearer s3cret',
      cookie: 'sid=s3cret',
      'x-api-key': 's3cret',
      'x-hmac': 's3cret',
    };
    const answer = await app.inject({ url: '/echo', headers });
    expect(answer.statusCode).toBe(200);
    expect(answer.body).not.toContain('s3cret');
    expect(answer.json().body).toBeNull();
  });
});

describe('every answer', () => {
  it.each(['/healthz', '/nothing', '/register/%zz', '/executions?x=1'])(
    'forbids browsers to guess, embed or run: %s',
    async (url) => {
      const { app } = await start();
      const { headers } = await app.inject(url);
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['content-security-policy']).toContain("default-src 'none'");
    },
  );
});
