import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { makeHttpRequest } from '../../../src/programs/http-request.ts';
import { callOut } from '../../support/builtin.ts';
import { startServer } from './local-server.ts';
import { errorOf, resultOf } from './run-program.ts';

const httpRequest = makeHttpRequest(callOut);

/** Sends these bytes to everybody, said to be coded so. */
function startCoded(coding: string, bytes: Buffer, status = 200) {
  return startServer((response) => response.writeHead(status, { 'content-encoding': coding }).end(bytes));
}

test.each([
  ['gzip', gzipSync('packed')],
  ['x-gzip', gzipSync('packed')],
  ['deflate', deflateSync('packed')],
  ['br', brotliCompressSync('packed')],
  ['gzip, BR', brotliCompressSync(gzipSync('packed'))],
  ['identity-of-its-own', Buffer.from('packed')],
  ['gzip', gzipSync('packed').subarray(0, -4)],
])('reads an answer in %s', async (coding, bytes) => {
  const { url } = await startCoded(coding, bytes);
  expect(await resultOf(httpRequest, { url })).toMatchObject({ body: 'packed' });
});

test('reads an answer without a body, whatever its coding', async () => {
  const { url } = await startCoded('gzip', Buffer.alloc(0));
  expect(await resultOf(httpRequest, { url, method: 'HEAD' })).toMatchObject({ body: '' });
  expect(await resultOf(httpRequest, { url })).toMatchObject({ body: '' });
});

test('refuses an answer that is small but unpacks to more than 1 MiB', async () => {
  const { url } = await startCoded('gzip', gzipSync(Buffer.alloc(50_000_000, 'x')));
  expect(await errorOf(httpRequest, { url })).toMatchObject({ name: 'ResultError' });
});

test('keeps the beginning of a packed error page', async () => {
  const { url } = await startCoded('gzip', gzipSync('x'.repeat(100_000)), 500);
  expect(await errorOf(httpRequest, { url })).toMatchObject({ details: { body: `${'x'.repeat(2048)}…` } });
});

test('says when an answer is not what it says it is', async () => {
  const { url } = await startCoded('gzip', Buffer.from('not packed'));
  expect(await errorOf(httpRequest, { url })).toMatchObject({
    name: 'NetworkError',
    message: `GET ${url}/: incorrect header check`,
  });
});
