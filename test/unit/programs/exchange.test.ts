import { lookup } from 'node:dns';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { makeExchange, type Request } from '../../../src/programs/exchange.ts';
import { startServer } from './local-server.ts';

function makeRequest(url: string, more: Partial<Request> = {}): Request {
  const { signal } = new AbortController();
  return { method: 'GET', url: new URL(url), headers: {}, signal, limitOf: () => 1000, ...more };
}

test('ends with the reason of its signal although it has no connection yet', async () => {
  const looking = Promise.withResolvers<void>();
  const exchange = makeExchange(() => looking.resolve());
  const stop = new AbortController();
  const answer = exchange(makeRequest('http://nowhere.example/', { signal: stop.signal }));
  await looking.promise;
  stop.abort(new Error('stopped by the operator'));
  await expect(answer).rejects.toThrow('stopped by the operator');
});

test('sends nothing when its signal has aborted already', async () => {
  const { url, received } = await startServer((response) => response.end());
  const signal = AbortSignal.abort(new Error('too late'));
  await expect(makeExchange(lookup)(makeRequest(url, { signal }))).rejects.toThrow('too late');
  expect(received).toEqual([]);
});

test('connects to the address that was looked up, and looks no second time', async () => {
  const { url, received } = await startServer((response) => response.end());
  const asked: string[] = [];
  const exchange = makeExchange((name, _options, callback) => {
    asked.push(name);
    callback(null, [{ address: '127.0.0.1', family: 4 }]);
  });
  const { host } = new URL(url.replace('127.0.0.1', 'intranet.example'));
  await exchange(makeRequest(`http://${host}/`));
  expect(asked).toEqual(['intranet.example']);
  expect(received).toMatchObject([{ headers: { host } }]);
});

test('takes no hint for the answer', async () => {
  const { url } = await startServer((response) => {
    response.writeEarlyHints({ link: '</style.css>; rel=preload' });
    response.writeHead(201, { 'x-twice': ['a', 'b'] }).end('done');
  });
  const reply = await makeExchange(lookup)(makeRequest(url));
  expect(reply).toMatchObject({ status: 201, statusText: 'Created', headers: { 'x-twice': ['a', 'b'] } });
  expect(reply.bytes.toString()).toBe('done');
});

test('keeps what was asked for of a longer answer, and hangs up', async () => {
  const closed = Promise.withResolvers<unknown>();
  const { url } = await startServer((response) => {
    closed.resolve(once(response, 'close'));
    response.write('x'.repeat(1001));
  });
  const reply = await makeExchange(lookup)(makeRequest(url));
  expect(reply).toMatchObject({ status: 200, isCut: true });
  expect(reply.bytes.toString()).toBe('x'.repeat(1000));
  await closed.promise;
});
