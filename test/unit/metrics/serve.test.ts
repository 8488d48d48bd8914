import { expect, it, onTestFinished } from 'vitest';
import { makeMetrics } from '../../../src/metrics/metrics.ts';
import { serveMetrics } from '../../../src/metrics/serve.ts';

async function start(port = 0) {
  const server = await serveMetrics(makeMetrics('1.2.3'), { host: '127.0.0.1', port });
  onTestFinished(server.stop);
  return server;
}

it('serves what Node and Umbel tell, event-loop delay included', async () => {
  const { address } = await start();
  const answer = await fetch(address);
  expect(answer.headers.get('content-type')).toContain('version=0.0.4');
  const text = await answer.text();
  expect(text).toContain('umbel_build_info{version="1.2.3"} 1');
  expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds \d/m);
});

it('knows no other path and no other method', async () => {
  const { address } = await start();
  expect((await fetch(address.replace('/metrics', '/'))).status).toBe(404);
  expect((await fetch(address, { method: 'POST' })).status).toBe(404);
});

it('says that the port is taken', async () => {
  const { address } = await start();
  await expect(start(Number(new URL(address).port))).rejects.toMatchObject({ code: 'PORT_TAKEN' });
});
