// Attempts with expressions, where a database would only be in the way.
import { Type } from 'typebox';
import { expect, test } from 'vitest';
import type { Json, JsonObject } from '../../../src/dag/vocabulary.ts';
import { defineProgram } from '../../../src/programs/program.ts';
import { makeRegistry } from '../../../src/programs/registry.ts';
import type { Attempt } from '../../../src/watcher/run.ts';
import { runAttempt } from '../../../src/watcher/run-attempt.ts';
import { readTaskData } from '../../../src/watcher/task-data.ts';
import { makeAttempt } from '../programs/run-program.ts';

let ran = 0;
const echo = defineProgram({
  name: 'echo',
  description: '',
  readsInput: true,
  params: Type.Object({}, { additionalProperties: true }),
  run({ params, input }) {
    ran += 1;
    return { params, input } as Json;
  },
});

/** Runs one attempt of a step that says so. */
function run(
  step: { params?: JsonObject; [option: string]: Json | undefined },
  rest: Partial<Attempt> & { first?: boolean; selects?: boolean; secrets?: Record<string, string> } = {},
) {
  const { params = {}, ...options } = step;
  const { first = true, selects = true, secrets = {}, ...attempt } = rest;
  const data = readTaskData({ params, options: options as JsonObject }, new Map())!;
  ran = 0;
  return runAttempt(
    makeRegistry([echo]),
    makeAttempt('echo', params, {
      data: { step: data, scope: { steps: { a: 1 } }, first, selects, findSecret: (name) => secrets[name] },
      ...attempt,
    }),
  );
}

test('the condition is asked once: not again while the task goes on after a failure or a wait', async () => {
  expect(await run({ when: '$steps.a = 2' })).toEqual({ kind: 'skipped' });
  expect(ran).toBe(0);
  expect(await run({ when: '$steps.a = 2' }, { first: false })).toMatchObject({ kind: 'finished' });
});

test('what a task waited for is its result: neither parameters nor program are looked at', async () => {
  const delivered = { kind: 'callback' as const, value: { body: 5 } };
  const step = { select: 'body', params: { x: '${{ $error("looked at") }}' } };
  expect(await run(step, { delivered, first: false })).toMatchObject({ kind: 'finished', result: 5 });
  expect(ran).toBe(0);
});

test('select picks from the callback, not from what the program returned before it', async () => {
  expect(await run({ select: '$error("asked")' }, { selects: false })).toMatchObject({ kind: 'finished' });
});

test('the callback is there for parameters', async () => {
  const scope = { callback: { url: 'http://x/tasks/t', token: 't' } };
  const step = readTaskData({ options: null, params: { to: '${{ $callback.url }}/complete' } }, new Map())!;
  const data = { step, scope, first: true, selects: true, findSecret: () => undefined };
  const attempt = makeAttempt('echo', { to: '${{ $callback.url }}/complete' }, { data });
  expect(await runAttempt(makeRegistry([echo]), attempt)).toMatchObject({
    result: { params: { to: 'http://x/tasks/t/complete' } },
  });
});

test('an input that nobody looks at is not worked out', async () => {
  const blind = defineProgram({ name: 'blind', description: '', run: () => 'done' });
  const step = readTaskData({ options: { input: '$error("asked")' }, params: null }, new Map())!;
  const data = { step, scope: {}, first: true, selects: true, findSecret: () => undefined };
  const outcome = await runAttempt(makeRegistry([blind]), makeAttempt('blind', {}, { data }));
  expect(outcome).toMatchObject({ kind: 'finished', result: 'done' });
});

test('a step without expressions has nothing to work out', () => {
  expect(readTaskData({ options: null, params: null }, new Map())).toBeNull();
  expect(
    readTaskData({ options: { retry: 3, name: 'x' }, params: { x: 'plain {{ }} $' } }, new Map()),
  ).toBeNull();
});

test('what it waits for keeps no secret either', async () => {
  const { runAgainAfter } = await import('../../../src/programs/later.ts');
  const later = defineProgram({
    name: 'later',
    description: '',
    params: Type.Object({ token: Type.String() }),
    run: ({ params }) => runAgainAfter(5, { token: params.token }),
  });
  const params = { token: '${{ $secrets.s }}' };
  const step = readTaskData({ options: null, params }, new Map())!;
  const data = { step, scope: {}, first: true, selects: true, findSecret: () => 'very-secret' };
  expect(await runAttempt(makeRegistry([later]), makeAttempt('later', params, { data }))).toEqual({
    kind: 'sleep',
    delay: 5,
    checkpoint: { token: '***' },
  });
});
