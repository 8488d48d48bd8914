import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeIsolate } from '../../../src/programs/isolate.ts';
import { defineProgram, Type } from '../../../src/index.ts';
import { LOG_LINES } from '../../../src/programs/log-limits.ts';
import { makeRegistry } from '../../../src/programs/registry.ts';
import { runTask, type Attempt } from '../../../src/watcher/run.ts';
import { makeStop, type Stop } from '../../../src/watcher/stop.ts';
import { makeAttempt } from './run-program.ts';

const MODULE = `
  import { defineProgram, NonRetryable, ProgramError, RetryAfter, runAgainAfter, waitFor } from 'umbel';
  import { threadId } from 'node:worker_threads';
  const make = (run) => defineProgram({ name: 'it', description: '', isolate: true, readsInput: true, run });
  export const context = make(({ log, signal, ...rest }) => ({ ...rest, aborted: signal.aborted, threaded: threadId > 0 }));
  export const nothing = make(() => undefined);
  export const dates = make(() => ({ at: new Date(0) }));
  export const lines = make(({ log }) => {
    for (let i = 0; i < 100; i++) log.info('line ' + i, { i });
    log.warn('odd', { f() {} });
  });
  export const flood = make(({ log }) => { for (let i = 0; i < 1_000_000; i++) log.info('line ' + i); });
  export const beats = make(({ heartbeat }) => { heartbeat({ n: 1 }); heartbeat(); heartbeat('\\0'); });
  export const waits = make(({ delivered }) => delivered?.value ?? waitFor({ signal: 'go', timeout: '5s', default: 1 }, 2));
  export const again = make(({ checkpoint }) => checkpoint === 2 ? 'enough' : runAgainAfter('5s', (checkpoint ?? 0) + 1));
  export const spin = make(() => { for (;;); });
  export const quit = make(() => process.exit(3));
  export const named = make(() => { throw new ProgramError('no', { name: 'Special', details: { a: 1 }, cause: new Error('deep down') }); });
  export const never = make(() => { throw new NonRetryable('no'); });
  export const later = make(() => { throw new RetryAfter('30s'); });
  export const text = make(() => { throw 'just text'; });
  export const system = make(() => { throw Object.assign(new Error('gone'), { code: 'ENOENT' }); });
  export const circle = make(() => { const a = {}; a.a = a; return a; });
  export const huge = make(() => 'x'.repeat(5_000_000));
  export default make(() => 'the default');
`;

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'isolated-'));
  await writeFile(join(dir, 'programs.mjs'), MODULE);
});
afterAll(() => rm(dir, { recursive: true }));

const isolate = makeIsolate(2);

function runIsolated(
  exported: string,
  more: { attempt?: Partial<Attempt>; params?: object; stop?: Stop; timeout?: number } = {},
) {
  const program = defineProgram({
    name: 'it',
    description: '',
    isolate: true,
    readsInput: true,
    params: Type.Object({}),
    timeout: more.timeout ?? null,
    run: () => 'run in this thread',
  });
  const home = { module: pathToFileURL(join(dir, 'programs.mjs')).href, exported };
  const attempt = makeAttempt('it', more.params ?? {}, more.attempt);
  return runTask(makeRegistry([isolate(program, home)]), attempt, {}, more.stop);
}

describe('an isolated program', () => {
  test('is told all about its attempt, in another thread', async () => {
    const attempt = { input: { before: [1] }, attempt: 2, idempotencyKey: 'k' };
    expect(await runIsolated('context', { attempt, params: { deep: { a: 1 } } })).toMatchObject({
      result: {
        ...attempt,
        params: { deep: { a: 1 } },
        execution: { id: 'execution-1', flow: 'flow-1' },
        step: { id: 'step-1', seq: '1' },
        aborted: false,
        threaded: true,
      },
    });
  });

  test('answers what it would here', async () => {
    expect(await runIsolated('nothing')).toMatchObject({ kind: 'finished', text: 'null' });
    expect(await runIsolated('dates')).toMatchObject({ text: '{"at":"1970-01-01T00:00:00.000Z"}' });
    expect(await runIsolated('default')).toMatchObject({ result: 'the default' });
  });

  test('gives signs of life, with checkpoints that can be kept', async () => {
    const beats: unknown[] = [];
    await runIsolated('beats', { attempt: { beat: (checkpoint) => beats.push(checkpoint) } });
    expect(beats).toEqual(['{"n":1}', undefined]);
  });

  test('may wait for a signal, and gets what came', async () => {
    const wait = { kind: 'signal', name: 'go', default: 1 };
    expect(await runIsolated('waits')).toEqual({ kind: 'wait', wait, timeout: 5_000, checkpoint: 2 });
    const delivered = { kind: 'signal' as const, value: 'now' };
    expect(await runIsolated('waits', { attempt: { delivered } })).toMatchObject({ result: 'now' });
  });

  test('may ask to be run again, with a checkpoint', async () => {
    const again = (checkpoint: number | null) => runIsolated('again', { attempt: { checkpoint } });
    expect(await again(null)).toEqual({ kind: 'sleep', delay: 5_000, checkpoint: 1 });
    expect(await again(1)).toEqual({ kind: 'sleep', delay: 5_000, checkpoint: 2 });
    expect(await again(2)).toMatchObject({ result: 'enough' });
  });

  test('writes its log here, in order and to the last line', async () => {
    const lines: unknown[] = [];
    const info = (message: string, fields?: object) => lines.push([message, fields]);
    const log = { debug: info, info, warn: info, error: info };
    await runIsolated('lines', { attempt: { log } });
    expect(lines).toHaveLength(101);
    expect(lines.slice(0, 100)).toEqual(Array.from({ length: 100 }, (_, i) => [`line ${i}`, { i }]));
    expect(lines[100]).toEqual(['odd', { omitted: 'fields that cannot be copied' }]);
  });

  test('sends no more lines than are kept, and says how many it left out', async () => {
    const lines: string[] = [];
    const info = (message: string) => lines.push(message);
    await runIsolated('flood', { attempt: { log: { debug: info, info, warn: info, error: info } } });
    expect(lines.length).toBeLessThan(LOG_LINES);
    expect(lines.at(-1)).toContain(`${1_000_000 - lines.length + 1} more lines were not kept`);
  });

  test('is stopped even while it computes', async () => {
    const stop = makeStop();
    const outcome = runIsolated('spin', { stop });
    setImmediate(() => stop.stop(Object.assign(new Error('enough'), { name: 'CancelledError' })));
    expect(await outcome).toMatchObject({
      kind: 'failed',
      error: { name: 'CancelledError', message: 'enough' },
    });
  });

  test('holds no thread once its time is over', async () => {
    const spins = Array.from({ length: 4 }, () => runIsolated('spin', { timeout: 100 }));
    for (const spin of spins) expect(await spin).toMatchObject({ error: { name: 'TimeoutError' } });
    expect(await runIsolated('default')).toMatchObject({ result: 'the default' });
  });

  test('fails alone when its thread ends', async () => {
    expect(await runIsolated('quit')).toMatchObject({
      kind: 'failed',
      error: { message: expect.stringMatching(/exit/i) },
    });
    expect(await runIsolated('default')).toMatchObject({ result: 'the default' });
  });
});

describe('what an isolated program throws', () => {
  test.each<[string, object, object?]>([
    ['named', { name: 'Special', message: 'no; caused by: deep down', details: { a: 1 } }],
    ['never', { name: 'NonRetryable', message: 'no' }, { retryable: false }],
    [
      'later',
      { name: 'RateLimitError', message: 'asked to be tried again after 30s' },
      { retryable: true, after: 30_000 },
    ],
    ['text', { name: 'ProgramError', message: 'just text' }],
    ['system', { name: 'ProgramError', message: 'gone', details: { code: 'ENOENT' } }],
    ['circle', { message: expect.stringContaining('circular') }],
    ['huge', { name: 'ResultError' }],
    ['missing', { message: expect.stringContaining('no longer exports a program as missing') }],
  ])('arrives as it was: %s', async (exported, error, more = {}) => {
    expect(await runIsolated(exported)).toMatchObject({ kind: 'failed', error, ...more });
  });

  test('keeps where it was thrown', async () => {
    const outcome = await runIsolated('named');
    expect(outcome).toMatchObject({ error: { stack: expect.stringContaining('programs.mjs') } });
  });
});

test('a program that no module exports cannot be isolated', () => {
  const program = defineProgram({ name: 'it', description: '', isolate: true, run: () => null });
  expect(() => makeRegistry([program])).toThrow(
    'program "it" has isolate: true, but a thread finds only programs',
  );
});
