import { afterEach, describe, expect, it } from 'vitest';
import type { LogReader } from '../../../src/registrar/logs.ts';
import { makeTestApp } from '../../support/app.ts';

let made: Awaited<ReturnType<typeof makeTestApp>> | undefined;
afterEach(() => made?.app.close());

async function start() {
  const asked: unknown[] = [];
  const logs: LogReader = {
    readTask: async (request, wait) => {
      asked.push([request, wait]);
      const line = {
        time: '2026-01-01T00:00:00.000Z',
        level: 'warn' as const,
        attempt: 2,
        message: 'm',
        fields: { a: 1 },
      };
      return { data: [line], cursor: '2.1', done: false };
    },
    readStep: async (request) => {
      asked.push(request);
      return { data: [{ timestamp: '2026-01-01T00:00:00.000Z', message: 'm' }] };
    },
  };
  made = await makeTestApp({ logs });
  return { get: (url: string) => made!.app.inject(url), asked };
}

describe('GET /executions/{id}/tasks/{step}/logs', () => {
  it('gives lines with where to go on, for the tenant of the caller', async () => {
    const { get, asked } = await start();
    const answer = await get('/executions/a%2Fb/tasks/c/logs?level=warn&wait=5s&cursor=1.1&limit=7');
    expect(answer.json()).toEqual({
      data: [{ time: '2026-01-01T00:00:00.000Z', level: 'warn', attempt: 2, message: 'm', fields: { a: 1 } }],
      meta: { cursor: '2.1', done: false },
    });
    expect(asked).toEqual([
      [{ tenant: 'local', id: 'a/b', step: 'c', level: 'warn', cursor: '1.1', limit: 7 }, 5_000],
    ]);
  });

  it.each(['level=loud', 'limit=0', 'limit=501', 'wait=31s', 'wait=soon', 'follow=1'])(
    'refuses %s',
    async (query) => {
      const { get, asked } = await start();
      const answer = await get(`/executions/a/tasks/b/logs?${query}`);
      expect(answer.json()).toMatchObject({ errors: [{ code: 400, error: 'QUERY_INVALID' }] });
      expect(asked).toEqual([]);
    },
  );
});

describe('GET /flows/{id}/steps/{step}/logs', () => {
  it('gives times and messages', async () => {
    const { get, asked } = await start();
    const answer = await get('/flows/f/steps/s/logs?limit=1');
    expect(answer.json()).toEqual({
      data: [{ timestamp: '2026-01-01T00:00:00.000Z', message: 'm' }],
      meta: {},
    });
    expect(asked).toEqual([{ tenant: 'local', flow: 'f', step: 's', limit: 1 }]);
  });
});
