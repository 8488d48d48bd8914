// What a browser may be made to send by a page of somebody else's.
import { describe, expect, test } from 'vitest';
import { makeTestApp } from '../../support/app.ts';

const REGISTER = { method: 'POST', url: '/register/a' } as const;

describe('a page of another site', () => {
  test('may not change anything', async () => {
    const { app, registered } = await makeTestApp();
    const answer = await app.inject({ ...REGISTER, headers: { 'sec-fetch-site': 'cross-site' } });
    expect([answer.statusCode, registered]).toEqual([403, []]);
  });

  test('may be followed by a link to a read', async () => {
    const { app } = await makeTestApp();
    const headers = { 'sec-fetch-site': 'cross-site' };
    expect((await app.inject({ url: '/executions', headers })).statusCode).toBe(200);
  });

  test.each(['same-origin', 'same-site', 'none'])('is not meant when a browser says %s', async (site) => {
    const { app } = await makeTestApp();
    const answer = await app.inject({ ...REGISTER, headers: { 'sec-fetch-site': site } });
    expect(answer.statusCode).toBe(200);
  });
});

describe('a name that leads to this machine', () => {
  const hosts = new Set(['umbel.example']);
  const ask = async (host: string, known: ReadonlySet<string> | undefined = hosts) => {
    const { app } = await makeTestApp({ hosts: known });
    return (await app.inject({ ...REGISTER, headers: { host } })).statusCode;
  };

  test.each([
    'localhost:8000',
    '127.0.0.1:8000',
    '[::1]:8000',
    'LOCALHOST',
    'a.localhost',
    'umbel.example',
    '10.1.2.3',
  ])('is taken: %s', async (host) => expect(await ask(host)).toBe(200));

  test.each([
    'evil.example',
    'localhost.evil.example:8000',
    'umbel.example.evil.example',
    '127.0.0.1.evil.example',
  ])('is refused: %s', async (host) => expect(await ask(host)).toBe(403));

  test('is any when the server is meant for others', async () => {
    const { app } = await makeTestApp();
    expect((await app.inject({ ...REGISTER, headers: { host: 'evil.example' } })).statusCode).toBe(200);
  });

  test('does not matter to what is public', async () => {
    const { app } = await makeTestApp({ hosts });
    expect((await app.inject({ url: '/healthz', headers: { host: 'evil.example' } })).statusCode).toBe(200);
  });
});
