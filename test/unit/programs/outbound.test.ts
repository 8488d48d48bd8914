import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { makeHttpRequest } from '../../../src/programs/http-request.ts';
import { failNetwork } from '../../../src/programs/outbound.ts';
import { describeError } from '../../../src/watcher/task-error.ts';
import { callOut } from '../../support/builtin.ts';
import { answerJson, startServer, type Received } from './local-server.ts';
import { errorOf, resultOf } from './run-program.ts';

const httpRequest = makeHttpRequest(callOut);

/** Redirects `/301` and the like to `to`, answers everything else with what it got. */
function startRedirects(to = '/end') {
  return startServer((response, request) => {
    const status = Number(request.path.slice(1));
    if (status) response.writeHead(status, { location: to }).end('moved');
    else answerJson(response, request);
  });
}

async function bodyOf(params: unknown): Promise<Received> {
  return ((await resultOf(httpRequest, params)) as unknown as { body: Received }).body;
}

describe('redirects', () => {
  test.each([
    [301, 'GET', ''],
    [302, 'GET', ''],
    [303, 'GET', ''],
    [307, 'POST', '{"a":1}'],
    [308, 'POST', '{"a":1}'],
  ])('%d turns a POST into a %s', async (status, method, body) => {
    const { url } = await startRedirects();
    const got = await bodyOf({ url: `${url}/${status}`, body: { a: 1 } });
    expect(got).toMatchObject({ path: '/end', method, body });
    expect(got.headers['content-type']).toBe(method === 'GET' ? undefined : 'application/json');
  });

  test('keep a DELETE a DELETE', async () => {
    const { url } = await startRedirects();
    expect(await bodyOf({ url: `${url}/302`, method: 'DELETE' })).toMatchObject({
      method: 'DELETE',
      path: '/end',
    });
  });

  test('are not followed when their status is expected', async () => {
    const { url, received } = await startRedirects();
    expect(await resultOf(httpRequest, { url: `${url}/302`, expect: '3xx' })).toMatchObject({
      status: 302,
      headers: { location: '/end' },
      body: 'moved',
    });
    expect(received).toHaveLength(1);
  });

  test('do not carry credentials to another host', async () => {
    const other = await startRedirects();
    const { url } = await startRedirects(`${other.url}/end`);
    const headers = { authorization: 'Bearer secret', cookie: 'secret', 'x-own': 'kept' };
    const got = await bodyOf({ url: `${url}/307`, headers });
    expect(got.headers).toMatchObject({ 'x-own': 'kept' });
    expect(JSON.stringify(got)).not.toContain('secret');
  });

  test('carry credentials within one host', async () => {
    const { url } = await startRedirects();
    expect(
      (await bodyOf({ url: `${url}/307`, headers: { authorization: 'Bearer x' } })).headers.authorization,
    ).toBe('Bearer x');
  });

  test('end after ten', async () => {
    const { url, received } = await startRedirects('/302');
    expect(await errorOf(httpRequest, { url: `${url}/302` })).toMatchObject({
      name: 'NetworkError',
      message: 'GET: more than 10 redirects',
    });
    expect(received).toHaveLength(11);
  });

  test('to something other than http are refused', async () => {
    const { url } = await startRedirects('file:///etc/passwd');
    expect(await errorOf(httpRequest, { url: `${url}/302` })).toMatchObject({
      message: "the URL's scheme is file; only http and https may be called",
    });
  });
});

describe('refused before anything is sent', () => {
  test.each([
    ['ftp://host/x', "the URL's scheme is ftp; only http and https may be called"],
    ['file:///etc/passwd', "the URL's scheme is file"],
    ['data:text/plain,hi', "the URL's scheme is data"],
    ['host/path', 'the URL is not one; it must look like https://host/path'],
    ['', 'the URL is not one'],
    ['http://user:secret@ho st/', 'the URL is not one'],
  ])('the URL %j', async (url, message) => {
    const error = await errorOf(httpRequest, { url });
    expect(error).toMatchObject({ name: 'InvalidParametersError' });
    expect(error.message).toContain(message);
    expect(JSON.stringify(error)).not.toContain('secret');
  });

  test.each([
    [{ 'x-a': 'secret\nsecond line' }, '"x-a"'],
    [{ 'x a': 'secret' }, '"x a"'],
  ])('the headers %j, without repeating the value', async (headers, name) => {
    const error = await errorOf(httpRequest, { url: 'http://127.0.0.1:9', headers });
    expect(error).toMatchObject({
      name: 'InvalidParametersError',
      message: `header ${name} has a name or a value that HTTP does not allow`,
    });
    expect(JSON.stringify(error)).not.toContain('secret');
  });
});

test('credentials in a URL become a header and stay out of messages', async () => {
  const { url, received } = await startServer((response) => response.writeHead(401).end());
  const error = await errorOf(httpRequest, { url: url.replace('//', '//joe:s%40cret@') });
  expect(received[0]?.headers.authorization).toBe(`Basic ${Buffer.from('joe:s@cret').toString('base64')}`);
  expect(error.message).toBe(`GET ${url}/ answered 401 Unauthorized`);
});

describe('a network failure names its cause', () => {
  test('without credentials, query or headers', async () => {
    const error = await errorOf(httpRequest, {
      url: 'http://joe:secret@127.0.0.1:1/p?key=secret',
      method: 'DELETE',
      headers: { a: 'secret' },
    });
    expect(error).toMatchObject({
      name: 'NetworkError',
      message: 'DELETE http://127.0.0.1:1/p: connect ECONNREFUSED 127.0.0.1:1',
      details: { code: 'ECONNREFUSED' },
    });
    expect(JSON.stringify(error)).not.toContain('secret');
  });

  test('when the connection is refused', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    expect((await errorOf(httpRequest, { url: `http://127.0.0.1:${port}/` })).message).toBe(
      `GET http://127.0.0.1:${port}/: connect ECONNREFUSED 127.0.0.1:${port}`,
    );
  });

  test('when the server hangs up', async () => {
    const { url } = await startServer((response) => response.destroy());
    expect(await errorOf(httpRequest, { url })).toMatchObject({
      name: 'NetworkError',
      message: `GET ${url}/: other side closed`,
    });
  });

  test('when the server hangs up in the middle of an answer', async () => {
    const { url } = await startServer(
      (response) => void response.writeHead(200).write('begin', () => response.destroy()),
    );
    expect(await errorOf(httpRequest, { url })).toMatchObject({
      name: 'NetworkError',
      message: `GET ${url}/: other side closed`,
    });
  });

  test('when several addresses were tried', () => {
    const errors = new AggregateError([
      new Error('connect ECONNREFUSED ::1:9'),
      new Error('connect ECONNREFUSED 127.0.0.1:9'),
    ]);
    const thrown = Object.assign(errors, { code: 'ECONNREFUSED' });
    expect(
      describeError(catchError(() => failNetwork(thrown, new AbortController().signal, 'GET http://h/'))),
    ).toMatchObject({
      name: 'NetworkError',
      message: 'GET http://h/: connect ECONNREFUSED ::1:9; connect ECONNREFUSED 127.0.0.1:9',
      details: { code: 'ECONNREFUSED' },
    });
  });
});

function catchError(run: () => unknown): unknown {
  try {
    return run();
  } catch (thrown) {
    return thrown;
  }
}
