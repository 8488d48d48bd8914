// What follows a failure that retries did not mend, on a real watcher: catch, fallback, edges by result, and in which order they have their say.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Type } from 'typebox';
import { silentLogger } from '../../../src/log.ts';
import type { Json } from '../../../src/dag/vocabulary.ts';
import { defineProgram, type Context } from '../../../src/programs/program.ts';
import { runAgainAfter } from '../../../src/programs/later.ts';
import { makeRegistry } from '../../../src/programs/registry.ts';
import { makeExecutionReader } from '../../../src/registrar/executions.ts';
import { makeRegistrar } from '../../../src/registrar/registrar.ts';
import { listExecutions, readExecution } from '../../../src/sql/executions.ts';
import { makeWatcher, type Watcher } from '../../../src/watcher/watcher.ts';
import { builtinPrograms } from '../../support/builtin.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { until } from '../../support/service.ts';

let base: TestDatabase;
let watcher: Watcher;
/** Every run of `scripted`, in order. */
let runs: { step: string; params: Json; input: Json; key: string; attempt: number }[];
/** What it does, by step. */
let script: Record<string, (context: Context) => unknown>;

const scripted = () =>
  defineProgram({
    name: 'scripted',
    description: 'Does what the test says.',
    params: Type.Object({}, { additionalProperties: true }),
    readsInput: true,
    run: (context) => {
      const { step, params, input, idempotencyKey: key, attempt } = context;
      runs.push({ step: step.id, params: params as Json, input, key, attempt });
      const { as = step.id } = params as { as?: string };
      return (script[as] ?? (() => step.id))(context) as Json;
    },
  });

function makeOne(): Watcher {
  return makeWatcher({
    db: base.db,
    url: base.url,
    registry: makeRegistry([...builtinPrograms, scripted()]),
    log: silentLogger(),
    pool: 'default',
    workers: 4,
    pollInterval: 200,
    lease: 15_000,
    release: 'test',
  });
}

beforeEach(async () => {
  base = await createDatabase();
  runs = [];
  script = {};
  watcher = makeOne();
  await watcher.start();
});

afterEach(async () => {
  await watcher.stop(1_000);
  await base.drop();
});

const fail =
  (name = 'ProgramError') =>
  () => {
    throw Object.assign(new Error(`${name} of the test`), { name });
  };
const ran = () => runs.map(({ step }) => step);

type Steps = Record<string, object>;

/** Defines, starts and waits for the end; how it ended, by step. */
async function play(steps: Steps, input: Json = null, flow: object = {}) {
  const registrar = makeRegistrar({
    db: base.db,
    wake: (pool, priority) => watcher.hint(pool, priority),
  });
  const list = Object.entries(steps).map(([id, step]) => ({ id, program: 'scripted', ...step }));
  await registrar.flows.define({ tenant: 'local', flow: 'flow' }, { id: 'flow', ...flow, steps: list });
  const { id } = await registrar.register({ flow: 'flow', tenant: 'local', trigger: null, input });
  return { id, ...(await endOf(id)) };
}

async function endOf(id: string) {
  const reader = makeExecutionReader({
    listExecutions: (filter) => listExecutions(base.db.kysely, filter),
    readExecution: (which) => readExecution(base.db.kysely, which),
  });
  const read = () => reader.read({ tenant: 'local', id });
  await until(
    async () => (await read()).finishedAt !== null,
    (done) => done,
  );
  const { status, tasks, error } = await read();
  const stands = Object.fromEntries(tasks.map((task) => [task.step, task.reason ?? task.status]));
  return { status, error, stands, tasks: new Map(tasks.map((task) => [task.step, task])) };
}

describe('catch', () => {
  test('continue goes on with the result, in which the error is in scope; the error stays readable', async () => {
    script = { a: fail('NoStock') };
    const { status, stands, tasks } = await play(
      {
        a: {
          catch: [{ errors: ['NoStock'], continue: true, result: '{"was": $error.name, "of": $input.n}' }],
        },
        b: { after: ['a'] },
      },
      { n: 7 },
    );
    expect([status, stands]).toEqual(['success', { a: 'caught', b: 'finish' }]);
    expect(runs[1]?.input).toEqual({ was: 'NoStock', of: 7 });
    expect(tasks.get('a')).toMatchObject({ execStatus: 9, error: { name: 'NoStock' } });
  });

  test('takes errors by their names, the first entry that fits, and * is all', async () => {
    script = { a: fail('X'), b: fail('Y'), c: fail('Z') };
    const entries = [
      { errors: ['X'], continue: true, result: '"x"' },
      { errors: ['*'], continue: true, result: '"any"' },
    ];
    const { tasks } = await play({
      a: { catch: entries },
      b: { catch: entries },
      c: { catch: entries.slice(0, 1) },
    });
    expect(tasks.get('a')?.output).toBe('x');
    expect(tasks.get('b')?.output).toBe('any');
    expect(tasks.get('c')?.reason).toBe('failed');
  });

  test('goto lets only the named step go on, which is told the error', async () => {
    script = { charge: fail('Declined') };
    const steps = {
      charge: { catch: [{ errors: ['Declined'], goto: 'refund' }] },
      ship: { after: ['charge'] },
      refund: {},
      tell: { after: ['ship', 'refund'] },
    };
    const { status, stands } = await play(steps);
    expect([status, stands]).toEqual([
      'success',
      { charge: 'caught', ship: 'skipped', refund: 'finish', tell: 'finish' },
    ]);
    expect(runs.find(({ step }) => step === 'refund')?.input).toEqual({
      name: 'Declined',
      message: 'Declined of the test',
    });
    script = {};
    expect((await play(steps)).stands).toEqual({
      charge: 'finish',
      ship: 'finish',
      refund: 'skipped',
      tell: 'finish',
    });
  });

  test('comes after the last retry', async () => {
    let failures = 0;
    script = {
      a: () => {
        failures += 1;
        return fail()();
      },
    };
    const { stands } = await play({ a: { retry: { limit: 2, delay: 1 }, catch: [{ continue: true }] } });
    expect([failures, stands]).toEqual([3, { a: 'caught' }]);
  });

  test('whose result cannot be worked out leaves a failure that says both', async () => {
    script = { a: fail('First') };
    const { status, error } = await play({
      a: { catch: [{ continue: true, result: '$error.message - 1' }] },
    });
    expect(status).toBe('failed');
    expect(error).toMatchObject({ name: 'ExpressionError' });
    expect((error as { message: string }).message).toMatch(/^catch\[0\]\.result: .*while catching First/s);
  });
});

describe('fallback', () => {
  const fallback = { program: 'scripted', params: { as: 'undo', of: '${{ $error.message }}' } };

  test('runs once with the same input and the error; the execution still fails with the original error', async () => {
    script = { b: fail('Broken') };
    const { status, error, stands } = await play({ a: {}, b: { after: ['a'], fallback } });
    expect([status, stands]).toEqual(['failed', { a: 'finish', b: 'failed' }]);
    expect(error).toMatchObject({ name: 'Broken', message: 'Broken of the test' });
    expect(runs.slice(1)).toMatchObject([
      { params: {}, input: 'a' },
      { params: { as: 'undo', of: 'Broken of the test' }, input: 'a' },
    ]);
    expect(new Set(runs.map(({ key }) => key)).size).toBe(3);
  });

  test('lets the others go on where failure is allowed', async () => {
    script = { a: fail('Broken') };
    const { status, stands } = await play({ a: { fallback, allowFail: true }, b: { after: ['a'] } });
    expect([status, stands]).toEqual(['success', { a: 'allowed_failure', b: 'finish' }]);
    expect(ran()).toEqual(['a', 'a', 'b']);
  });

  test('is not asked for what a catch took', async () => {
    script = { a: fail() };
    const { stands } = await play({ a: { fallback, catch: [{ continue: true }] } });
    expect([stands, ran()]).toEqual([{ a: 'caught' }, ['a']]);
  });

  test('has retries of its own, and its own failure is found beside the original one', async () => {
    let undone = 0;
    script = {
      a: fail('Broken'),
      undo: () => {
        undone += 1;
        return fail('Worse')();
      },
    };
    const retried = { ...fallback, retry: { limit: 2, delay: 1 } };
    const { status, error, tasks } = await play({ a: { fallback: retried } });
    expect([status, undone, ran().length]).toEqual(['failed', 3, 4]);
    expect(error).toMatchObject({ name: 'Broken', details: { fallback: { name: 'Worse' } } });
    expect(tasks.get('a')?.reason).toBe('failed');
  });

  test('may itself wait, and keeps its checkpoint', async () => {
    script = {
      a: fail('Broken'),
      undo: ({ checkpoint }) => (checkpoint === null ? runAgainAfter(1, 'half') : checkpoint),
    };
    const { error } = await play({ a: { fallback } });
    expect([ran().length, error]).toMatchObject([3, { name: 'Broken' }]);
  });

  test('goes on with another watcher when this one goes away', async () => {
    let begun: (() => void) | undefined;
    const running = new Promise<void>((resolve) => (begun = resolve));
    let undone = 0;
    script = {
      a: fail('Broken'),
      undo: () => {
        undone += 1;
        if (undone > 1) return 'undone';
        begun!();
        return new Promise(() => undefined);
      },
    };
    const playing = play({ a: { fallback } });
    await running;
    await watcher.stop(0);
    watcher = makeOne();
    await watcher.start();
    const { status, error } = await playing;
    expect([status, undone, error]).toMatchObject(['failed', 2, { name: 'Broken' }]);
    expect(ran()).toEqual(['a', 'a', 'a']);
  });

  test('of a resumed execution begins anew: the step itself first', async () => {
    script = { a: fail('Broken') };
    const { id } = await play({ a: { fallback } });
    script = {};
    await base.db.pool.query(`update kr_flow_stat set flow_status = 'open' where task_flow_id = $1`, [id]);
    expect((await endOf(id)).stands).toEqual({ a: 'finish' });
    expect(runs.at(-1)).toMatchObject({ params: {} });
  });
});

describe('failFast', () => {
  test('the first failure that stays stops what runs and what waits; a resume does the rest', async () => {
    let stopped: unknown;
    script = {
      long: ({ signal }) =>
        new Promise((_, reject) =>
          signal.addEventListener('abort', () => reject((stopped = signal.reason as Error))),
        ),
      bad: fail('Broken'),
    };
    const steps = {
      long: {},
      later: { after: ['long'] },
      bad: {},
      after: { after: ['bad'] },
    };
    const { id, status, error, stands } = await play(steps, null, { failFast: true });
    expect([status, error, stands]).toMatchObject([
      'failed',
      { name: 'Broken' },
      { long: 'aborted', later: 'aborted', bad: 'failed', after: 'aborted' },
    ]);
    await until(
      () => Promise.resolve(stopped),
      (reason) => reason !== undefined,
    );
    expect(stopped).toMatchObject({ name: 'CancelledError' });
    script = {};
    await base.db.pool.query(`update kr_flow_stat set flow_status = 'open' where task_flow_id = $1`, [id]);
    const again = await endOf(id);
    expect([again.status, [...new Set(Object.values(again.stands))]]).toEqual(['success', ['finish']]);
  });

  test('takes no notice of failures that are retried, caught, allowed or handled', async () => {
    let tries = 0;
    script = {
      retried: () => {
        tries += 1;
        return tries === 1 ? fail()() : 'done';
      },
      caught: fail(),
      allowed: fail(),
      handled: fail(),
    };
    const { status } = await play(
      {
        retried: { retry: { limit: 1, delay: 1 } },
        caught: { catch: [{ continue: true }] },
        allowed: { allowFail: true },
        handled: {},
        handler: { after: ['handled'], edges: { handled: 'failed' } },
        last: { after: ['retried', 'caught', 'allowed', 'handler'] },
      },
      null,
      { failFast: true },
    );
    expect([status, ran().at(-1)]).toEqual(['success', 'last']);
  });
});
