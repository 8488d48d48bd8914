import { fastify } from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';
import { guardRoutes, LOCAL_CALLER, PERMISSIONS, type Caller } from '../../../src/http/permissions.ts';
import { makeTestApp } from '../../support/app.ts';

let made: Awaited<ReturnType<typeof makeTestApp>> | undefined;
afterEach(() => made?.app.close());

describe('the permission table', () => {
  it('keeps an app from starting whose route has no entry', () => {
    const app = fastify();
    guardRoutes(app, { authenticate: () => LOCAL_CALLER }, {});
    expect(() => app.get('/secret', () => 'x')).toThrow('Route "GET /secret" has no entry');
  });

  it('keeps an app from starting when an entry has no route', async () => {
    const app = fastify();
    guardRoutes(app, { authenticate: () => LOCAL_CALLER }, { 'GET /gone': 'public' });
    await expect(app.ready()).rejects.toThrow('GET /gone');
  });

  it('covers the HEAD of a GET, and no other method', async () => {
    const app = fastify();
    guardRoutes(app, { authenticate: () => LOCAL_CALLER }, { 'GET /a': 'public' });
    app.get('/a', () => 'x');
    expect(() => app.delete('/a', () => 'x')).toThrow('Route "DELETE /a" has no entry');
    await app.ready();
    expect((await app.inject({ method: 'HEAD', url: '/a' })).statusCode).toBe(200);
  });

  it('makes nothing public but health, echo, webhooks, and what a token of its own opens', () => {
    const open = Object.keys(PERMISSIONS).filter((name) => PERMISSIONS[name] === 'public');
    expect(open).toEqual([
      'GET /healthz',
      'GET /readyz',
      'GET /echo',
      'POST /echo',
      'GET /hook/:flow',
      'POST /hook/:flow',
      'GET /hook/:flow/*',
      'POST /hook/:flow/*',
      'POST /tasks/:token/complete',
      'POST /tasks/:token/fail',
      'POST /tasks/:token/heartbeat',
    ]);
  });
});

describe('a caller without permissions', () => {
  const nobody: Caller = { user: 'nobody', tenant: 'local', permissions: new Set() };

  it('gets 403 from every route that needs one, before anything is done', async () => {
    made = await makeTestApp({ authenticate: () => nobody });
    const guarded = Object.entries(PERMISSIONS).filter(([, needs]) => needs !== 'public' && needs !== 'docs');
    for (const [name] of guarded) {
      const [method, url = ''] = name.split(' ');
      const answer = await made.app.inject({ method: method as 'GET', url: url.replace('*', 'x') });
      expect([name, answer.statusCode]).toEqual([name, 403]);
    }
    expect(made.registered).toEqual([]);
    expect(made.listed).toEqual([]);
  });

  it('may read the docs', async () => {
    made = await makeTestApp({ authenticate: () => nobody });
    expect((await made.app.inject('/openapi.json')).statusCode).toBe(200);
  });

  it('is refused after a body that cannot be read, and before it is judged', async () => {
    made = await makeTestApp({ authenticate: () => nobody });
    const headers = { 'content-type': 'application/json' };
    const post = (payload: string) =>
      made!.app.inject({ method: 'POST', url: '/register/x', payload, headers });
    expect((await post('{')).statusCode).toBe(400);
    expect((await post('{"nonsense":1}')).statusCode).toBe(403);
  });

  it('may do what it was given', async () => {
    const starter: Caller = { user: 'ci', tenant: 'team', permissions: new Set(['executions.start']) };
    made = await makeTestApp({ authenticate: () => starter });
    expect((await made.app.inject({ method: 'POST', url: '/register/x' })).statusCode).toBe(200);
    expect(made.registered[0]).toMatchObject({ tenant: 'team', trigger: { user: 'ci' } });
    expect((await made.app.inject('/executions')).statusCode).toBe(403);
  });
});
