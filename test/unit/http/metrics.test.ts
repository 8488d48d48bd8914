import { expect, it, onTestFinished } from 'vitest';
import { makeMetrics } from '../../../src/metrics/metrics.ts';
import { addRequestMetrics, countRegistrations } from '../../../src/metrics/server.ts';
import { makeTestApp } from '../../support/app.ts';

async function start() {
  const metrics = makeMetrics('1');
  const made = await makeTestApp({
    readMetrics: metrics.read,
    observeRequest: addRequestMetrics(metrics.registry),
    register: countRegistrations(metrics.registry, async () => ({ outcome: 'registered', id: 'x' })),
  });
  onTestFinished(() => made.app.close());
  const ask = (method: 'GET' | 'POST', url: string) => made.app.inject({ method, url });
  return { ask, read: async () => (await ask('GET', '/metrics')).body };
}

it('tells how long requests took, by pattern and not by path', async () => {
  const { ask, read } = await start();
  await ask('POST', '/register/a');
  await ask('POST', '/register/b');
  await ask('GET', '/nowhere/1');
  await ask('GET', '/nowhere/2');
  const text = await read();
  expect(text).toContain(
    'umbel_http_request_duration_seconds_count{method="POST",route="/register/*",status="200"} 2',
  );
  expect(text).toContain(
    'umbel_http_request_duration_seconds_count{method="GET",route="none",status="404"} 2',
  );
  expect(text).not.toContain('nowhere');
});

it('counts registrations by their outcome', async () => {
  const { ask, read } = await start();
  await ask('POST', '/register/a');
  await ask('POST', '/register/a');
  expect(await read()).toContain('umbel_registrations_total{outcome="registered"} 2');
});
