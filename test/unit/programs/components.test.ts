import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Json } from '../../../src/dag/vocabulary.ts';
import {
  type FindComponent,
  type FoundComponent,
  withComponents,
} from '../../../src/programs/component-program.ts';
import { makeFindTrouble } from '../../../src/programs/component-health.ts';
import { makeCallOut } from '../../../src/programs/outbound.ts';
import { makeProcesses } from '../../../src/programs/processes.ts';
import { makeRegistry } from '../../../src/programs/registry.ts';
import { makeRpcCall } from '../../../src/programs/rpc-call.ts';
import { runTask } from '../../../src/watcher/run.ts';
import { makeStop, type Stop } from '../../../src/watcher/stop.ts';
import { builtinPrograms, callOut } from '../../support/builtin.ts';
import { until } from '../../support/service.ts';
import { answerJson, startServer } from './local-server.ts';
import { errorOf, makeAttempt, resultOf } from './run-program.ts';

const ENV = { PATH: process.env.PATH ?? '', SECRET_OF_THE_WATCHER: 'x' };
const node = process.execPath;
const script = (name: string) => path.resolve('test/support/processes', name);

const component = (rest: Partial<FoundComponent>): FoundComponent => ({
  id: 'crm',
  kind: 'http',
  isGlobal: false,
  status: 'inactive',
  settings: {},
  ...rest,
});

/** Runs `crm.upsert` where there is this component. */
function call(
  found: FoundComponent | null,
  {
    params = {},
    input = null,
    stop = makeStop(),
    allow = [node],
  }: { params?: object; input?: Json; stop?: Stop; allow?: string[] } = {},
): ReturnType<typeof runTask> {
  const registry = withComponents(makeRegistry(builtinPrograms), {
    findComponent: async (_, id) => (id === 'crm' ? found : null),
    callOut,
    processes: makeProcesses(allow, { PATH: ENV.PATH }),
  });
  return runTask(registry, makeAttempt('crm.upsert', params, { input }), {}, stop);
}
const result = async (outcome: ReturnType<typeof runTask>) => {
  const ran = await outcome;
  if (ran.kind !== 'finished') throw new Error(JSON.stringify(ran));
  return JSON.parse(ran.text) as Json;
};
const error = async (outcome: ReturnType<typeof runTask>) => {
  const ran = await outcome;
  if (ran.kind !== 'failed') throw new Error(JSON.stringify(ran));
  return { ...ran.error, retryable: ran.retryable };
};

describe('a component over HTTP', () => {
  it('gets the message with its fields and who calls, and its answer is the result', async () => {
    const { url, received } = await startServer((response) => answerJson(response, { data: { ok: true } }));
    const http = component({ settings: { address: `${url}/base/` } });
    const input = { headers: { a: '1' }, body: { order: 7 }, metadata: { scheduledAt: 'now' } };
    expect(await result(call(http, { params: { table: 'orders' }, input }))).toEqual({ data: { ok: true } });
    const [{ method, path: at, headers, body } = { method: '', path: '', headers: {}, body: '' }] = received;
    expect(`${method} ${at}`).toBe('POST /base/upsert');
    expect(JSON.parse(body)).toEqual({
      ...input,
      data: { order: 7 },
      attachments: {},
      function: 'upsert',
      fields: { table: 'orders' },
      execution: { id: 'execution-1', flow: 'flow-1', step: 'step-1', attempt: 1 },
    });
    expect(headers).toMatchObject({
      'x-flow': 'flow-1',
      'x-execution': 'execution-1',
      'x-step': 'step-1',
      'x-attempt': '1',
      'idempotency-key': 'key-1',
      'content-type': 'application/json',
    });
  });

  it('gets any other input as the data of a message', async () => {
    const { url, received } = await startServer((response) => answerJson(response, null));
    for (const input of [[1, 2], 'text', { order: 7 }])
      await result(call(component({ settings: { address: url } }), { input }));
    expect(received.map(({ body }) => (JSON.parse(body) as { data: Json }).data)).toEqual([
      [1, 2],
      'text',
      { order: 7 },
    ]);
  });

  it('fails with what it answers, or when it does not in time', async () => {
    const { url } = await startServer(
      (response, { path: at }) => at.startsWith('/bad') && answerJson(response, { why: 1 }, 500),
    );
    const bad = component({ settings: { address: `${url}/bad` } });
    expect(await error(call(bad))).toMatchObject({
      name: 'HttpError',
      details: { status: 500 },
      retryable: true,
    });
    const slow = component({ settings: { address: `${url}/slow`, timeout: '50ms' } });
    expect(await error(call(slow))).toMatchObject({
      name: 'TimeoutError',
      message: expect.stringContaining('50 ms'),
    });
  });

  it('is called only where calls may go', async () => {
    const registry = withComponents(makeRegistry([]), {
      findComponent: async () => component({ settings: { address: 'http://127.0.0.1:1' } }),
      callOut: makeCallOut([]),
      processes: makeProcesses([], {}),
    });
    expect(await error(runTask(registry, makeAttempt('crm.x', {})))).toMatchObject({
      name: 'InvalidParametersError',
      message: expect.stringContaining('OUTBOUND_ALLOW'),
    });
  });

  it('is not called while it is global and down', async () => {
    const global = component({ isGlobal: true, settings: { address: 'http://127.0.0.1:1' } });
    expect(await error(call(global))).toMatchObject({ name: 'ComponentError', retryable: true });
  });

  it('is ready when its health answers 2xx', async () => {
    const { url } = await startServer((response, { path: at }) =>
      answerJson(response, {}, at === '/up' ? 204 : 503),
    );
    const find = makeFindTrouble(callOut);
    expect(await find({ kind: 'http', settings: { address: url, health: `${url}/up` } })).toBeNull();
    expect(await find({ kind: 'http', settings: { address: url } })).toContain('503');
    expect(await find({ kind: 'http', settings: { address: 'http://127.0.0.1:1' } })).toContain(
      '127.0.0.1:1',
    );
    expect(await find({ kind: 'process', settings: { argv: ['x'] } })).toBeNull();
  });
});

describe('programs and components', () => {
  it('programs win, and what is neither is unknown', async () => {
    expect(await error(call(null))).toMatchObject({
      name: 'UnknownProgramError',
      message: expect.stringContaining('"crm.upsert" is not known here'),
      retryable: false,
    });
    const registry = withComponents(makeRegistry(builtinPrograms), {
      findComponent: () => Promise.reject(new Error('not asked')),
      callOut,
      processes: makeProcesses([], {}),
    });
    expect(registry.get('http.request')).toBe(builtinPrograms.find(({ name }) => name === 'http.request'));
    expect(registry.get('nothing')).toBeUndefined();
    expect(registry.names()).toEqual(builtinPrograms.map(({ name }) => name));
  });
});

describe('a component that is a process', () => {
  const once = component({
    kind: 'process',
    settings: { argv: [node, script('echo.js'), 'an argument; rm'] },
  });

  it('reads the message and writes the result, and sees nothing of the watcher', async () => {
    const ran = (await result(call(once, { params: { a: 1 }, input: { body: 2 } }))) as Record<string, Json>;
    expect(ran['message']).toMatchObject({ data: 2, fields: { a: 1 }, function: 'upsert' });
    expect(ran['env']).not.toContain('SECRET_OF_THE_WATCHER');
  });

  it.each([
    [
      { exit: 3, stderr: 'out of paper' },
      { name: 'ProcessError', details: { exit: 3, stderr: 'out of paper' } },
    ],
    [{ raw: 'no json' }, { name: 'ProcessError', details: { output: 'no json' } }],
    [{ large: 3_000_000 }, { name: 'ResultError', message: 'the answer is larger than 1048576 bytes' }],
  ])('fails by %j', async (params, expected) => {
    expect(await error(call(once, { params }))).toMatchObject(expected);
  });

  it('that says nothing has no result', async () => {
    expect(await result(call(once, { params: { raw: '' } }))).toBeNull();
  });

  it('is not run unless its command is allowed, nor when there is none', async () => {
    expect(await error(call(once, { allow: ['node'] }))).toMatchObject({
      name: 'ProcessError',
      message: expect.stringContaining('PROCESS_ALLOW'),
      retryable: false,
    });
    const missing = component({ kind: 'process', settings: { argv: ['/no/such/command'] } });
    expect(await error(call(missing, { allow: ['/no/such/command'] }))).toMatchObject({
      name: 'ProcessError',
      message: expect.stringContaining('cannot be run'),
    });
  });
});

describe('a component whose process stands by', () => {
  const settings = { argv: [node, script('stand-by.js')], mode: 'sync' };
  const standby = component({ kind: 'process', settings });
  const listAlive = () =>
    execFileSync('ps', ['-eo', 'pid=,ppid=,stat=,args='], { encoding: 'utf8' })
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .map(([pid, ppid, stat = '', ...args]) => ({ pid, ppid, stat, args: args.join(' ') }))
      .filter(({ stat }) => !stat.startsWith('Z'));
  /** Pids of the process that stands by and of what it started. */
  const listGroup = async () => {
    const alive = listAlive();
    const own = alive.filter(
      ({ ppid, args }) => ppid === String(process.pid) && args.includes('stand-by.js'),
    );
    // Others of this file are still idle: the one that hangs has a child.
    const started = alive.filter(({ ppid }) => own.some(({ pid }) => pid === ppid));
    return started.flatMap(({ pid, ppid }) => [pid, ppid]);
  };

  it('answers one message after the other from one process, also after it refused one', async () => {
    const processes = makeProcesses([node], ENV);
    const ask = (data: Json, fields = {}) =>
      processes.ask({
        argv: settings.argv,
        message: { data, fields },
        maxBytes: 1000,
        signal: new AbortController().signal,
      });
    expect(await ask('a')).toMatchObject({ data: 'a', messages: 1 });
    expect(await ask('b')).toMatchObject({ data: 'b', messages: 2 });
    await expect(ask('c', { fail: true })).rejects.toMatchObject({ name: 'Refused', message: 'no' });
    await expect(ask('d', { end: true })).rejects.toMatchObject({
      name: 'ProcessError',
      details: { exit: 3 },
    });
    expect(await ask('e')).toMatchObject({ data: 'e', messages: 1 });
    const together = (await Promise.all([ask('f'), ask('g')])) as { pid: number }[];
    expect(new Set(together.map(({ pid }) => pid)).size).toBe(2);
    await expect(ask('x'.repeat(2000))).rejects.toMatchObject({ name: 'ResultError' });
  });

  it('ends with the task, and what it started with it', async () => {
    const slow = component({ kind: 'process', settings: { ...settings, timeout: '1500ms' } });
    const asked = error(call(slow, { params: { hang: true } }));
    const pids = await until(listGroup, (found) => found.length >= 2);
    expect((await asked).name).toBe('TimeoutError');
    await until(
      async () => listAlive().filter(({ pid }) => pids.includes(pid)),
      (alive) => alive.length === 0,
    );
  }, 20_000);

  it('is asked by a component of the mode sync', async () => {
    expect(await result(call(standby, { input: { data: 1 } }))).toMatchObject({ data: 1, messages: 1 });
  });
});

describe('rpc.call', () => {
  const find =
    (address: string): FindComponent =>
    async (_, id) =>
      id === 'crm' ? component({ settings: { address } }) : null;

  it('posts to an endpoint of a service, and says who calls', async () => {
    const { url, received } = await startServer((response) => answerJson(response, [1]));
    const rpc = makeRpcCall(callOut, find(`${url}/v1`));
    const params = {
      service: 'crm',
      endpoint: '/orders/ship?x=1',
      body: { id: 7 },
      headers: { 'X-Flow': 'forged', a: 'b' },
    };
    expect(await resultOf(rpc, params)).toEqual([1]);
    expect(received[0]).toMatchObject({
      method: 'POST',
      path: '/v1/orders/ship?x=1',
      body: '{"id":7}',
      headers: {
        a: 'b',
        'x-flow': 'flow-1',
        'x-execution': 'execution-1',
        'x-step': 'step-1',
        'x-attempt': '1',
        'idempotency-key': 'key-1',
      },
    });
  });

  it.each(['../admin', '..%2fadmin/../../x', '//evil.example/x', '@evil.example'])(
    'does not let the endpoint %s lead elsewhere',
    async (endpoint) => {
      const { url, received } = await startServer((response) => answerJson(response, null));
      const rpc = makeRpcCall(callOut, find(`${url}/v1`));
      await resultOf(rpc, { service: 'crm', endpoint }).catch(() => {});
      for (const { path: at } of received) expect(at).toMatch(/^\/v1\//);
    },
  );

  it('fails when there is no such service', async () => {
    const rpc = makeRpcCall(callOut, find('http://127.0.0.1:1'));
    expect(await errorOf(rpc, { service: 'erp', endpoint: 'x' })).toMatchObject({
      name: 'UnknownServiceError',
    });
  });
});
