import { afterEach, describe, expect, it } from 'vitest';
import { makeTestApp } from '../../support/app.ts';

let made: Awaited<ReturnType<typeof makeTestApp>> | undefined;
afterEach(() => made?.app.close());

async function ask(method: string, url: string, rest: object = {}) {
  made = await makeTestApp();
  return made.app.inject({ method: method as 'GET', url, ...rest });
}

describe('a path that no route has', () => {
  it.each(['/', '/register', '/nothing/here', '/executions/a/b', '/docs/static/no-such-file.js'])(
    'answers 404 as JSON: %s',
    async (url) => {
      const answer = await ask('GET', url);
      expect(answer.statusCode).toBe(404);
      expect(answer.json()).toMatchObject({ errors: [{ code: 404, error: 'ROUTE_NOT_FOUND' }] });
    },
  );

  it('answers 404 whatever the body', async () => {
    const answer = await ask('POST', '/nothing', {
      payload: '{',
      headers: { 'content-type': 'application/json' },
    });
    expect(answer.statusCode).toBe(404);
  });
});

describe('a method that a path does not take', () => {
  it.each([
    ['GET', '/register/example', 'POST'],
    ['DELETE', '/register/a/b%20c', 'POST'],
    ['OPTIONS', '/register/example', 'POST'],
    ['DELETE', '/executions', 'GET, HEAD, POST'],
    ['PROPFIND', '/executions/some-id', 'GET, HEAD'],
    ['PUT', '/echo', 'GET, HEAD, POST'],
  ])('answers 405 and says what it takes: %s %s', async (method, url, allow) => {
    const answer = await ask(method, url);
    expect(answer.statusCode).toBe(405);
    expect(answer.headers['allow']).toBe(allow);
    expect(answer.json()).toMatchObject({ errors: [{ code: 405, error: 'METHOD_NOT_ALLOWED' }] });
  });

  it('answers 405 whatever the body', async () => {
    const answer = await ask('PUT', '/register/example', {
      payload: 'x',
      headers: { 'content-type': 'text/plain' },
    });
    expect(answer.statusCode).toBe(405);
  });
});
