/* oxlint-disable unicorn/no-thenable -- programs may return anything, thenables too */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Type } from 'typebox';
import { defineProgram, type Context } from '../../../src/programs/program.ts';
import { makeRegistry } from '../../../src/programs/registry.ts';
import { empty } from '../../../src/programs/empty.ts';
import { runTask, type Attempt, type Limits } from '../../../src/watcher/run.ts';
import { makeStop, type Stop } from '../../../src/watcher/stop.ts';
import { makeAttempt } from '../programs/run-program.ts';

afterEach(() => void vi.useRealTimers());

type Run = (context: Context) => unknown;

function runIt(
  run: Run,
  more: { attempt?: Partial<Attempt>; limits?: Limits; stop?: Stop; timeout?: number } = {},
) {
  const program = defineProgram({
    name: 'it',
    description: '',
    readsInput: true,
    timeout: more.timeout ?? null,
    run,
  });
  return runTask(makeRegistry([program]), makeAttempt('it', {}, more.attempt), more.limits, more.stop);
}

describe('finished', () => {
  test.each<[string, Run, unknown]>([
    ['a plain value', () => ({ a: [1, 'x', null] }), { a: [1, 'x', null] }],
    ['a promise', () => Promise.resolve(5), 5],
    ['nothing', () => undefined, null],
    ['a promise of nothing', async () => {}, null],
    ['a thenable', () => ({ then: (ok: (value: string) => void) => ok('done') }), 'done'],
    ['an object whose `then` is data', () => ({ then: 'later' }), { then: 'later' }],
    ['false', () => false, false],
  ])('when the program returns %s', async (_, run, result) => {
    expect(await runIt(run)).toEqual({ kind: 'finished', result, text: JSON.stringify(result) });
  });

  test('with the text of the result as JSON writes it', async () => {
    expect(await runIt(() => ({ at: new Date(0), gone: undefined }))).toMatchObject({
      text: '{"at":"1970-01-01T00:00:00.000Z"}',
    });
  });
});

describe('the context', () => {
  test('tells the program all about its attempt', async () => {
    const attempt = {
      input: { before: 1 },
      attempt: 3,
      idempotencyKey: 'k',
      execution: { id: 'e', flow: 'f' },
      step: { id: 's', seq: '1.5' },
    };
    const outcome = await runIt(
      ({ input, attempt, idempotencyKey, execution, step, signal }) => ({
        input,
        attempt,
        idempotencyKey,
        execution,
        step,
        aborted: signal.aborted,
      }),
      { attempt },
    );
    expect(outcome).toMatchObject({ kind: 'finished', result: { ...attempt, aborted: false } });
  });

  test('holds converted parameters', async () => {
    const program = defineProgram({
      name: 'add',
      description: '',
      params: Type.Object({ A: Type.Integer(), B: Type.Integer() }),
      run: ({ params }) => params.A + params.B,
    });
    expect(await runTask(makeRegistry([program]), makeAttempt('add', { A: '1', B: '2' }))).toMatchObject({
      result: 3,
    });
  });

  test('holds input only for a program that reads it', async () => {
    const blind = defineProgram({ name: 'blind', description: '', run: ({ input }) => ({ input }) });
    expect(await runTask(makeRegistry([blind]), makeAttempt('blind', {}, { input: 'x' }))).toMatchObject({
      result: { input: null },
    });
    expect(
      await runTask(makeRegistry([empty]), makeAttempt('empty', {}, { input: { x: [1] } })),
    ).toMatchObject({ result: { x: [1] } });
    expect(await runTask(makeRegistry([empty]), makeAttempt('empty', {}))).toMatchObject({ result: null });
  });

  test('writes to the log it was given', async () => {
    const lines: unknown[] = [];
    const write = (...line: unknown[]) => void lines.push(line);
    await runIt(({ log }) => log.warn('careful', { n: 1 }), {
      attempt: { log: { debug: write, info: write, warn: write, error: write } },
    });
    expect(lines).toEqual([['careful', { n: 1 }]]);
  });
});

describe('failed before the program runs', () => {
  const registry = makeRegistry([
    defineProgram({ name: 'it', description: '', run: () => expect.unreachable() }),
  ]);

  test.each<[string, Partial<Attempt>, string, string]>([
    [
      'parameters that are not JSON',
      { parameters: '{"a": ' },
      'InvalidParametersError',
      'the parameters of the task are not JSON: ',
    ],
    [
      'parameters that are no object',
      { parameters: '[1]' },
      'InvalidParametersError',
      'it cannot run: parameters: must be a JSON object, got a list',
    ],
    [
      'an unknown parameter',
      { parameters: '{"a": 1}' },
      'InvalidParametersError',
      'it cannot run: parameters.a: there is no such parameter',
    ],
    [
      'an unknown program',
      { program: 'itt' },
      'UnknownProgramError',
      'program "itt" is not known here (did you mean it?); known: it',
    ],
    [
      'no program',
      { program: null },
      'UnknownProgramError',
      'no row of ms_task_definition has task_id "flow-1" and task_seq 1',
    ],
  ])('for %s', async (_, attempt, name, message) => {
    const outcome = await runTask(registry, makeAttempt('it', {}, attempt));
    expect(outcome).toMatchObject({ kind: 'failed', error: { name } });
    expect(outcome).toMatchObject({ error: { message: expect.stringContaining(message) as string } });
    expect(outcome).not.toHaveProperty('error.stack');
  });

  test('with every problem of the parameters in the details', async () => {
    expect(await runTask(registry, makeAttempt('it', { a: 1, b: 2 }))).toMatchObject({
      error: { details: { problems: [{ path: 'parameters.a' }, { path: 'parameters.b' }] } },
    });
  });

  test('when it is stopped already', async () => {
    const stop = makeStop();
    stop.stop(new Error('aborted'));
    expect(await runTask(registry, makeAttempt('it', {}), {}, stop)).toMatchObject({
      kind: 'failed',
      error: { message: 'aborted' },
    });
  });
});

describe('failed by the program', () => {
  test.each<[string, Run]>([
    [
      'throws',
      () => {
        throw new RangeError('out of range');
      },
    ],
    ['rejects', () => Promise.reject(new RangeError('out of range'))],
    [
      'rejects late',
      async () => {
        await Promise.resolve();
        throw new RangeError('out of range');
      },
    ],
    [
      'returns a thenable that throws',
      () => ({
        then() {
          throw new RangeError('out of range');
        },
      }),
    ],
    [
      'returns an object whose `then` cannot be read',
      () => ({
        get then() {
          throw new RangeError('out of range');
        },
      }),
    ],
  ])('that %s', async (_, run) => {
    expect(await runIt(run)).toMatchObject({
      kind: 'failed',
      error: {
        name: 'RangeError',
        message: 'out of range',
        stack: expect.stringContaining('run.test.ts') as string,
      },
    });
  });

  test.each<[string, Run, string]>([
    [
      'cycles',
      () => {
        const a: unknown[] = [];
        a.push(a);
        return a;
      },
      'the result of it cannot be written as JSON: it refers to itself',
    ],
    [
      'BigInts',
      () => ({ n: 5n }),
      'the result of it cannot be written as JSON: Do not know how to serialize a BigInt',
    ],
    ['functions', () => () => 1, 'the result of it is a function, which is not JSON'],
    ['symbols', () => Symbol('s'), 'the result of it is a symbol, which is not JSON'],
    [
      'NUL characters',
      () => ({ a: 'x\0' }),
      'the result of it holds a NUL character or half of a surrogate pair, which the database cannot store',
    ],
    [
      'half characters',
      () => '\ud800',
      'the result of it holds a NUL character or half of a surrogate pair, which the database cannot store',
    ],
    ['more than 1 MiB', () => 'é'.repeat(600_000), 'the result of it is 1.14 MiB, the limit is 1 MiB'],
    [
      'a toJSON that throws',
      () => ({
        toJSON() {
          throw 'no';
        },
      }),
      'the result of it cannot be written as JSON: its toJSON or a getter failed',
    ],
    [
      'endless nesting',
      () => JSON.parse('['.repeat(1001) + ']'.repeat(1001)) as unknown,
      'the result of it is nested deeper than 1000 levels',
    ],
  ])('with a result of %s', async (_, run, message) => {
    expect(await runIt(run)).toMatchObject({ kind: 'failed', error: { name: 'ResultError', message } });
  });

  test('with a result over a limit of its own', async () => {
    expect(await runIt(() => 'x'.repeat(2000), { limits: { resultBytes: 1024 } })).toMatchObject({
      error: { message: 'the result of it is 1.96 KiB, the limit is 1 KiB' },
    });
    expect(await runIt(() => 'x'.repeat(1022), { limits: { resultBytes: 1024 } })).toMatchObject({
      kind: 'finished',
    });
  });
});

describe('timed out', () => {
  const forever = () => new Promise(() => {});

  test('as soon as the time is over, though the program never ends', async () => {
    vi.useFakeTimers();
    const running = runIt(forever, { timeout: 3000 });
    await vi.advanceTimersByTimeAsync(2999);
    expect(await Promise.race([running, Promise.resolve('running')])).toBe('running');
    await vi.advanceTimersByTimeAsync(1);
    expect(await running).toEqual({
      kind: 'failed',
      error: { name: 'TimeoutError', message: 'it did not end within 3000 ms' },
      retryable: true,
    });
  });

  test('by the limit given for the attempt rather than the one of the program', async () => {
    vi.useFakeTimers();
    const running = runIt(forever, { timeout: 3000, limits: { timeout: 50 } });
    await vi.advanceTimersByTimeAsync(50);
    expect(await running).toMatchObject({ error: { message: 'it did not end within 50 ms' } });
  });

  test('never, when the attempt says so', async () => {
    vi.useFakeTimers();
    void runIt(forever, { timeout: 3000, limits: { timeout: null } });
    expect(vi.getTimerCount()).toBe(0);
  });

  test('aborts the signal with the reason', async () => {
    vi.useFakeTimers();
    let reason: unknown;
    const running = runIt(
      ({ signal }) => new Promise(() => signal.addEventListener('abort', () => (reason = signal.reason))),
      { timeout: 10 },
    );
    await vi.advanceTimersByTimeAsync(10);
    await running;
    expect(reason).toMatchObject({ name: 'TimeoutError' });
  });

  test('not after the program has ended, and no timer stays', async () => {
    vi.useFakeTimers();
    expect(await runIt(async () => 1, { timeout: 10 })).toMatchObject({ kind: 'finished' });
    await runIt(() => Promise.reject(new Error('x')), { timeout: 10 });
    await vi.advanceTimersByTimeAsync(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('leaves no unhandled rejection when the program fails afterwards', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => void unhandled.push(reason);
    process.on('unhandledRejection', note);
    const late = Promise.withResolvers<never>();
    const stop = makeStop();
    const running = runIt(() => late.promise, { stop });
    stop.stop(new Error('enough'));
    expect(await running).toMatchObject({ error: { message: 'enough' } });
    late.reject(new Error('too late'));
    await new Promise(setImmediate);
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
  });

  test('at the longest timer there is instead of at once when the time is longer', async () => {
    vi.useFakeTimers();
    const running = runIt(forever, { timeout: 60 * 86_400_000 });
    await vi.advanceTimersByTimeAsync(20 * 86_400_000);
    expect(await Promise.race([running, Promise.resolve('running')])).toBe('running');
  });
});

test('stopped from outside, it fails with the error given', async () => {
  const stop = makeStop();
  const running = runIt(() => new Promise(() => {}), { stop });
  stop.stop(Object.assign(new Error('the execution was aborted'), { name: 'CancelledError' }));
  stop.stop(new Error('a second time'));
  expect(await running).toMatchObject({
    kind: 'failed',
    error: { name: 'CancelledError', message: 'the execution was aborted' },
  });
});
