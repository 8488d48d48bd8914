import { expect, test } from 'vitest';
import { makeHttpPostRequest } from '../../../src/programs/http-post-request.ts';
import { callOut } from '../../support/builtin.ts';
import { answerJson, startServer } from './local-server.ts';
import { errorOf, resultOf } from './run-program.ts';

const httpPostRequest = makeHttpPostRequest(callOut);

test('posts BODY raw, as JSON, with the idempotency key', async () => {
  const { url, received } = await startServer((response) => answerJson(response, {}));
  const BODY = ' {"id": "test", "é": "\\u00e9"} ';
  await resultOf(httpPostRequest, { URL: `${url}/post?x=1`, BODY });
  expect(received).toMatchObject([
    {
      method: 'POST',
      path: '/post?x=1',
      body: BODY,
      headers: {
        'content-type': 'application/json',
        'idempotency-key': 'key-1',
        'content-length': String(Buffer.byteLength(BODY)),
      },
    },
  ]);
});

test.each([200, 201, 204, 299])('takes %d for a success', async (status) => {
  const { url } = await startServer((response) => response.writeHead(status).end());
  expect(await resultOf(httpPostRequest, { URL: url, BODY: '' })).toMatchObject({ status, body: '' });
});

test('gives status, headers and the parsed body', async () => {
  const { url } = await startServer((response) => {
    response.setHeader('set-cookie', ['a=1', 'b=2']).setHeader('x-one', 'first');
    answerJson(response, { ok: [true] }, 201);
  });
  expect(await resultOf(httpPostRequest, { URL: url, BODY: '{}' })).toMatchObject({
    status: 201,
    headers: { 'content-type': 'application/json', 'x-one': 'first', 'set-cookie': ['a=1', 'b=2'] },
    body: { ok: [true] },
  });
});

test.each([
  ['text/plain', Buffer.from('{"a":1}'), '{"a":1}'],
  ['application/problem+json; charset=utf-8', Buffer.from('{"a":1}'), { a: 1 }],
  ['application/json', Buffer.from('not json'), 'not json'],
  ['application/json', Buffer.from('{"a":"\\u0000"}'), { a: '\ufffd' }],
  ['text/plain; charset=Shift_JIS', Buffer.from([0x83, 0x74, 0x83, 0x8d, 0x81, 0x5b]), 'フロー'],
  ['text/plain; charset=unheard-of', Buffer.from('é'), 'é'],
  ['application/octet-stream', Buffer.from([0, 65, 0xff]), '\ufffdA\ufffd'],
])('reads a body of type %s', async (type, bytes, body) => {
  const { url } = await startServer((response) =>
    response.writeHead(200, { 'content-type': type }).end(bytes),
  );
  expect(await resultOf(httpPostRequest, { URL: url, BODY: '{}' })).toMatchObject({ body });
});

test.each([199 + 101, 400, 404, 500, 503])('fails on %d with status and body', async (status) => {
  const { url } = await startServer((response) => response.writeHead(status).end('what went wrong'));
  expect(await errorOf(httpPostRequest, { URL: `${url}/p?token=secret`, BODY: '{}' })).toMatchObject({
    name: 'HttpError',
    message: expect.stringMatching(new RegExp(`^POST ${url}/p answered ${status} \\w`)) as string,
    details: { status, body: 'what went wrong' },
  });
});

test('keeps only the beginning of a long error page', async () => {
  const { url } = await startServer((response) => response.writeHead(500).end('x'.repeat(100_000)));
  expect(await errorOf(httpPostRequest, { URL: url, BODY: '{}' })).toMatchObject({
    details: { body: `${'x'.repeat(2048)}…` },
  });
});

test('says which parameters are missing, without showing the body', async () => {
  const error = await errorOf(httpPostRequest, { URl: 'http://h', BODY: 5 });
  expect(error.name).toBe('InvalidParametersError');
  expect(error.message).toContain('parameters.URL: is required');
  expect(error.message).toContain('parameters.URl: there is no such parameter (did you mean URL?)');
  expect(error.message).toMatch(/parameters\.BODY: must be text($|;)/);
});

test('has a timeout of 30 s', () => {
  expect(httpPostRequest.timeout).toBe(30_000);
});
