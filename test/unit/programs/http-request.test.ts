import { once } from 'node:events';
import { expect, test } from 'vitest';
import { makeHttpRequest } from '../../../src/programs/http-request.ts';
import { makeStop } from '../../../src/watcher/stop.ts';
import { callOut } from '../../support/builtin.ts';
import { answerJson, startServer } from './local-server.ts';
import { errorOf, resultOf } from './run-program.ts';

const httpRequest = makeHttpRequest(callOut);
const startEcho = () => startServer((response, request) => answerJson(response, request));

test('is a GET when nothing but a URL is given', async () => {
  const { url, received } = await startEcho();
  expect(await resultOf(httpRequest, { url: `${url}/a` })).toMatchObject({
    status: 200,
    body: { method: 'GET', path: '/a', body: '' },
  });
  expect(received[0]?.headers).toMatchObject({ 'idempotency-key': 'key-1', 'user-agent': 'umbel' });
  expect(received[0]?.headers).not.toHaveProperty('content-type');
});

test.each([
  [{ a: 1 }, '{"a":1}', 'application/json'],
  ['{"a": 1}', '{"a": 1}', 'application/json'],
  [[1], '[1]', 'application/json'],
  [0, '0', 'application/json'],
  ['{{ hello', '{{ hello', 'text/plain;charset=UTF-8'],
])('posts the body %j', async (body, sent, type) => {
  const { url } = await startEcho();
  expect(await resultOf(httpRequest, { url, body })).toMatchObject({
    body: { method: 'POST', body: sent, headers: { 'content-type': type } },
  });
});

test('lets given headers win, in any case, as an object or as JSON text', async () => {
  const { url, received } = await startEcho();
  const headers = { 'Content-Type': 'text/csv', 'IDEMPOTENCY-KEY': 'mine', 'X-Count': 3 };
  await resultOf(httpRequest, { url, method: 'PUT', body: 'a,b', headers });
  await resultOf(httpRequest, { url, method: 'PUT', body: 'a,b', headers: JSON.stringify(headers) });
  const expected = {
    method: 'PUT',
    headers: { 'content-type': 'text/csv', 'idempotency-key': 'mine', 'x-count': '3' },
  };
  expect(received).toMatchObject([expected, expected]);
});

test('reads the answer to a HEAD request', async () => {
  const { url } = await startServer((response) => response.writeHead(200, { 'x-size': '7' }).end());
  expect(await resultOf(httpRequest, { url, method: 'HEAD' })).toMatchObject({
    headers: { 'x-size': '7' },
    body: '',
  });
});

test.each([
  [undefined, 204],
  ['2xx', 201],
  ['404', 404],
  [404, 404],
  ['200,404', 404],
  [['2xx', 404], 404],
  [['3xx', '5xx'], 503],
])('with expect %j takes %d for a success', async (expected, status) => {
  const { url } = await startServer((response) => response.writeHead(status).end());
  expect(
    await resultOf(httpRequest, { url, ...(expected === undefined ? {} : { expect: expected }) }),
  ).toMatchObject({ status });
});

test('fails on a 200 that is not expected', async () => {
  const { url } = await startServer((response) => response.end('fine'));
  expect(await errorOf(httpRequest, { url, expect: [404] })).toMatchObject({
    name: 'HttpError',
    details: { status: 200, body: 'fine' },
  });
});

test.each([
  [
    { expect: '9xx' },
    'parameters.expect: must be a status such as 200, a class such as 2xx, or a list of them, got "9xx"',
  ],
  [{ expect: [] }, 'parameters.expect: must be a status'],
  [
    { method: 'FETCH' },
    'parameters.method: must be "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" or "OPTIONS", got "FETCH"',
  ],
  [{ timeout: 'soon' }, 'parameters.timeout: must be a duration such as 500ms, 3s or 5m, got "soon"'],
  [{ timeout: '25h' }, 'parameters.timeout: must be at most 1d, got 25h'],
  [{ method: 'GET', body: 'x' }, 'parameters.body: a GET request cannot carry one'],
  [{ headers: 'Bearer secret' }, 'parameters.headers: must be an object'],
  [{ hedaers: {} }, 'parameters.hedaers: there is no such parameter (did you mean headers?)'],
])('refuses %j', async (params, problem) => {
  const error = await errorOf(httpRequest, { url: 'http://127.0.0.1:9', ...params });
  expect(error.name).toBe('InvalidParametersError');
  expect(error.message).toContain(problem);
  expect(error.message).not.toContain('secret');
});

test.each(['40ms', 40, '40'])('gives up on a server that does not answer within %j', async (timeout) => {
  const { url } = await startServer(() => {});
  expect(await errorOf(httpRequest, { url: `${url}/slow?key=secret`, timeout })).toMatchObject({
    name: 'TimeoutError',
    message: `GET ${url}/slow: no complete answer within 40 ms`,
  });
});

test('gives up on an answer that does not end', async () => {
  const { url } = await startServer((response) => response.writeHead(200).write('begin'));
  expect(await errorOf(httpRequest, { url, timeout: '60ms' })).toMatchObject({ name: 'TimeoutError' });
});

test('drops the request when the attempt is stopped', async () => {
  const arrived = Promise.withResolvers<{ closed: Promise<unknown> }>();
  const { url } = await startServer((response) => arrived.resolve({ closed: once(response, 'close') }));
  const stop = makeStop();
  const running = errorOf(httpRequest, { url }, stop);
  const { closed } = await arrived.promise;
  stop.stop(new Error('stopped by the operator'));
  expect((await running).message).toBe('stopped by the operator');
  await closed;
});

test('takes an answer of exactly 1 MiB less its envelope and refuses a larger one', async () => {
  const { url } = await startServer((response, { path }) => response.end('x'.repeat(Number(path.slice(1)))));
  expect(await resultOf(httpRequest, { url: `${url}/1000000` })).toMatchObject({
    body: 'x'.repeat(1_000_000),
  });
  expect(await errorOf(httpRequest, { url: `${url}/1048577` })).toMatchObject({
    name: 'ResultError',
    message: `GET ${url}/1048577: the answer is larger than 1 MiB, the most that is kept as a result`,
  });
});

test('serves a hundred requests at once over connections it keeps', async () => {
  const ports = new Set<number | undefined>();
  const { url } = await startServer((response) => {
    ports.add(response.socket?.remotePort);
    answerJson(response, {});
  });
  const round = () => Promise.all(Array.from({ length: 100 }, () => resultOf(httpRequest, { url })));
  for (let rounds = 0; rounds < 5; rounds++) await round();
  expect(ports.size).toBeLessThan(300);
});
