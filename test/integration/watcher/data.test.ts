// Data between steps: what goes in, what is picked, what is handed on.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Json } from '../../../src/dag/vocabulary.ts';
import { defineProgram } from '../../../src/programs/program.ts';
import type { StepDefinition } from '../../../src/registrar/definition/schema.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { makeTestRegistrar, type Registering } from '../../support/flows.ts';
import { Type } from 'typebox';
import { readTask, readTasks } from '../../support/rows.ts';
import { startWatcher, stopWatchers } from '../../support/watcher.ts';

let database: TestDatabase;
let registrar: Registering;
beforeEach(async () => {
  database = await createDatabase();
  registrar = makeTestRegistrar(database.db);
});
afterEach(async () => {
  await stopWatchers();
  await database.drop();
});

/** Returns its input. */
const takes = defineProgram({ name: 'takes', description: '', readsInput: true, run: ({ input }) => input });
/** Returns its parameter. */
const gives = defineProgram({
  name: 'gives',
  description: '',
  params: Type.Object({ value: Type.Unknown() }),
  run: ({ params }) => params.value,
});
/** Returns its parameters and its input. */
const shows = defineProgram({
  name: 'shows',
  description: '',
  readsInput: true,
  params: Type.Object({}, { additionalProperties: true }),
  run: ({ params, input }) => ({ params, input }) as Json,
});
const programs = [takes, gives, shows];

/** Defines, runs to the end, and gives the tasks by step. */
async function run(steps: Partial<StepDefinition>[], rest: { input?: Json; params?: {} } = {}) {
  const flow = 'f';
  await registrar.flows.define({ tenant: 'local', flow }, { id: flow, steps });
  const id = await registrar.start(flow, rest);
  const end = await registrar.execute.waitForEnd(id, 30_000, new AbortController().signal);
  const { tasks } = await registrar.executions.read({ tenant: 'local', id });
  return { id, end, tasks: new Map(tasks.map((task) => [task.step, task])) };
}

const outputs = (tasks: Map<string | null, { output: Json }>, ...steps: string[]) =>
  steps.map((step) => tasks.get(step)?.output);

describe('the input', () => {
  beforeEach(() => startWatcher(database.url, programs));

  test('is the execution’s at a root, the predecessor’s output after one, an object of outputs after several', async () => {
    const { tasks } = await run(
      [
        { id: 'a', program: 'takes' },
        { id: 'b', program: 'takes', after: ['a'] },
        { id: 'c', program: 'gives', params: { value: 3 }, after: ['a'], output: 'three' },
        { id: 'd', program: 'takes', after: ['b', 'c'] },
      ],
      { input: { n: 1 } },
    );
    expect(outputs(tasks, 'a', 'b', 'd')).toEqual([{ n: 1 }, { n: 1 }, { b: { n: 1 }, three: 3 }]);
  });

  test('is what the expression makes of ancestors, the input there would be, and the execution', async () => {
    const { id, tasks } = await run(
      [
        { id: 'a', program: 'gives', params: { value: [1, 2, 3] } },
        { id: 'b', program: 'gives', params: { value: { x: 5 } }, after: ['a'] },
        {
          id: 'sum',
          program: 'takes',
          after: ['b'],
          input: '{"sum": $sum($steps.a), "x": $input.x, "also": x}',
        },
        { id: 'run', program: 'takes', after: ['b'], input: '$execution' },
        {
          id: 'each',
          program: 'takes',
          after: ['b'],
          input: '$map($steps.a, function($n) { $n * $execution.input.factor })',
        },
        { id: 'all', program: 'takes', after: ['b'], input: '$keys($steps)' },
      ].map((step) => (step.id === 'all' ? { ...step, id: 'every' } : step)),
      { input: { factor: 10 } },
    );
    expect(outputs(tasks, 'sum', 'run', 'each', 'every')).toEqual([
      { sum: 6, x: 5, also: 5 },
      { id, flow: 'f', input: { factor: 10 } },
      [10, 20, 30],
      ['a', 'b'],
    ]);
  });

  test('is the output of the step that it names', async () => {
    const { tasks } = await run([
      { id: 'first-one', program: 'gives', params: { value: 'far' } },
      { id: 'b', program: 'gives', params: { value: 'near' }, after: ['first-one'], output: 'renamed' },
      { id: 'c', program: 'takes', after: ['b'], input: 'first-one' },
      { id: 'd', program: 'takes', after: ['c'], input: 'renamed' },
    ]);
    expect(outputs(tasks, 'c', 'd')).toEqual(['far', 'near']);
  });

  test('an output that is null is an output: the task is finished and null goes on', async () => {
    const { end, tasks } = await run([
      { id: 'a', program: 'gives', params: { value: null } },
      { id: 'b', program: 'takes', after: ['a'], input: '{"given": $steps.a, "is": $type($steps.a)}' },
    ]);
    expect(tasks.get('a')).toMatchObject({ status: 'finish', output: null });
    expect(outputs(tasks, 'b')).toEqual([{ given: null, is: 'null' }]);
    expect(end?.status).toBe('success');
  });
});

describe('parameters', () => {
  test('hold expressions at any depth; a whole text gives any JSON', async () => {
    await startWatcher(database.url, programs);
    const params = {
      whole: '${{ $steps.a }}',
      text: 'n = ${{ $steps.a.n }}, of ${{ $execution.flow }}',
      deep: [{ list: ['${{ n + 1 }}', 'plain', '${{ $nothing }}'] }],
      same: 5,
    };
    const { tasks } = await run([
      { id: 'a', program: 'gives', params: { value: { n: 1 } } },
      { id: 'b', program: 'shows', after: ['a'], params },
    ]);
    expect(outputs(tasks, 'b')).toEqual([
      {
        params: { whole: { n: 1 }, text: 'n = 1, of f', deep: [{ list: [2, 'plain', null] }], same: 5 },
        input: { n: 1 },
      },
    ]);
    // What is stored is what was written.
    expect(tasks.get('b')?.params).toEqual(params);
  });

  test('given by whoever starts the execution are taken as they are', async () => {
    const { logged } = await startWatcher(database.url, programs, { findSecret: () => 'hidden-value' });
    const { tasks } = await run(
      [{ id: 'a', program: 'shows', params: { x: '${{ 1 + 1 }}', y: '${{ 2 + 2 }}' } }],
      {
        params: { x: '${{ $secrets.any }}' },
      },
    );
    expect(outputs(tasks, 'a')).toEqual([{ params: { x: '${{ $secrets.any }}', y: 4 }, input: null }]);
    expect(JSON.stringify(logged)).not.toContain('hidden-value');
  });

  test('that do not fit once they are worked out fail the task', async () => {
    await startWatcher(database.url, programs);
    const { end, tasks } = await run([
      { id: 'a', program: 'timer.sleep', params: { duration: '${{ "soon" }}' } },
    ]);
    expect(end?.status).toBe('failed');
    expect(tasks.get('a')?.error).toMatchObject({ name: 'InvalidParametersError' });
  });

  test('of tasks inserted by hand are worked out too', async () => {
    await startWatcher(database.url, programs);
    await database.db.pool.query(
      `insert into ms_task_definition (task_id, task_seq, step_id, program, options) values
         ('hand', 1, 'one', 'gives', null), ('hand', 2, 'two', 'shows', '{"input": "one", "select": "params"}')`,
    );
    await database.db.pool.query(
      `insert into kr_task_stat (task_flow_id, task_exec_seq, depends_task_exec_seq, task_id, task_seq, exec_status, parameters) values
         ('by-hand', 1, -1, 'hand', 1, 0, '{"value": 7}'),
         ('by-hand', 2, 1, 'hand', 2, 0, '{"seven": "\${{ $steps.one }}", "input": "\${{ $input }}"}')`,
    );
    await registrar.execute.waitForEnd('by-hand', 30_000, new AbortController().signal);
    expect(await readTask(database.db, 'by-hand', 2)).toMatchObject({
      status: 3,
      result: { seven: 7, input: 7 },
    });
  });
});

describe('select', () => {
  beforeEach(() => startWatcher(database.url, programs));

  test('picks from the result, which is $', async () => {
    const { tasks } = await run(
      [
        { id: 'a', program: 'gives', params: { value: { body: [{ id: 1 }, { id: 2 }] } }, select: 'body.id' },
        { id: 'b', program: 'takes', after: ['a'] },
        { id: 'c', program: 'takes', after: ['b'], select: '{"from": $steps.a, "in": $input, "result": $}' },
      ],
      { input: 'start' },
    );
    expect(outputs(tasks, 'a', 'b', 'c')).toEqual([
      [1, 2],
      [1, 2],
      { from: [1, 2], in: [1, 2], result: [1, 2] },
    ]);
  });

  test('may pick from more than a result may be', async () => {
    const { tasks } = await run([
      {
        id: 'a',
        program: 'gives',
        params: { value: { big: '${{ $pad("x", 600000) }}' } },
        select: '{"twice": [$length(big), $length(big)]}',
      },
    ]);
    expect(outputs(tasks, 'a')).toEqual([{ twice: [600_000, 600_000] }]);
  });
});

describe('when', () => {
  const reasons = (
    tasks: Map<string | null, { status: string; reason: string | null }>,
    ...steps: string[]
  ) => steps.map((step) => tasks.get(step)!.reason ?? tasks.get(step)!.status);

  test('decides whether a step runs; what comes after skipped steps alone is skipped too', async () => {
    await startWatcher(database.url, programs);
    const { end, tasks } = await run(
      [
        { id: 'a', program: 'gives', params: { value: { n: 3 } } },
        { id: 'large', program: 'takes', after: ['a'], when: 'n > 10' },
        { id: 'small', program: 'takes', after: ['a'], when: '$steps.a.n <= $execution.input.most' },
        { id: 'ship', program: 'takes', after: ['large'] },
        { id: 'later', program: 'takes', after: ['ship'], when: 'true' },
        {
          id: 'either',
          program: 'takes',
          after: ['ship', 'small'],
          input: '[$type($steps.ship), $steps.small.n]',
        },
      ],
      { input: { most: 3 } },
    );
    expect(end?.status).toBe('success');
    expect(reasons(tasks, 'large', 'small', 'ship', 'later', 'either')).toEqual([
      'skipped',
      'finish',
      'skipped',
      'skipped',
      'finish',
    ]);
    expect(outputs(tasks, 'either')).toEqual([['null', 3]]);
    expect(tasks.get('large')).toMatchObject({ execStatus: 9, output: null, error: null });
    expect(tasks.get('large')?.why).toBe('its condition (when) did not hold');
    expect(tasks.get('ship')?.why).toMatch(/^skipped: the steps that it comes after/);
  });

  test('that skips the only step ends the execution well', async () => {
    await startWatcher(database.url, programs);
    const { end, tasks } = await run([{ id: 'a', program: 'takes', when: '$input.go' }]);
    expect(end).toMatchObject({ status: 'success', output: null });
    expect(reasons(tasks, 'a')).toEqual(['skipped']);
  });

  test('is asked before the parameters are worked out', async () => {
    const { logged } = await startWatcher(database.url, programs);
    const { tasks } = await run([
      { id: 'no', program: 'shows', when: 'false', params: { x: '${{ $error("asked") }}' } },
    ]);
    expect(reasons(tasks, 'no')).toEqual(['skipped']);
    expect(logged.filter(({ level }) => level >= 40)).toEqual([]);
  });

  test('that cannot be worked out fails the task', async () => {
    await startWatcher(database.url, programs);
    const { end, tasks } = await run([{ id: 'a', program: 'takes', when: '$input - 1' }], { input: 'x' });
    expect(end?.status).toBe('failed');
    expect(tasks.get('a')?.error).toMatchObject({
      name: 'ExpressionError',
      message: expect.stringMatching(/^when: /),
    });
  });

  test('is asked again when the step is rerun', async () => {
    await startWatcher(database.url, programs);
    const { id, tasks } = await run([
      { id: 'a', program: 'gives', params: { value: 1 } },
      { id: 'b', program: 'gives', after: ['a'], params: { value: 'ran' }, when: '$steps.a = 2' },
      { id: 'c', program: 'takes', after: ['b'] },
    ]);
    expect(reasons(tasks, 'b', 'c')).toEqual(['skipped', 'skipped']);
    await registrar.control.rerun({ tenant: 'local', id, step: 'a', params: { value: 2 }, downstream: true });
    await registrar.execute.waitForEnd(id, 30_000, new AbortController().signal);
    expect((await readTasks(database.db, id)).map(({ status, result }) => [status, result])).toEqual([
      [3, 2],
      [3, 'ran'],
      [3, 'ran'],
    ]);
  });
});

describe('an expression that fails', () => {
  test('fails its task with its place and its reason, and is not tried again', async () => {
    await startWatcher(database.url, programs);
    const { end, tasks } = await run([
      { id: 'a', program: 'gives', params: { value: 'text' } },
      { id: 'input', program: 'takes', after: ['a'], input: '$steps.a - 1', retry: 3 },
      {
        id: 'param',
        program: 'shows',
        after: ['a'],
        params: { x: ['${{ $error("no customer") }}'] },
        retry: { limit: 3, on: ['*'] },
      },
      { id: 'select', program: 'takes', after: ['a'], select: '$number($)', retry: 3 },
    ]);
    expect(end?.status).toBe('failed');
    const messages: [string, RegExp][] = [
      ['input', /^input: The left side of the "-" operator must evaluate to a number/],
      ['param', /^params\.x\[0\]: no customer/],
      ['select', /^select: Unable to cast value to a number: "text"/],
    ];
    for (const [step, message] of messages) {
      const { attempt, error } = tasks.get(step)!;
      expect({ attempt, error }).toMatchObject({ attempt: 1, error: { name: 'ExpressionError' } });
      expect((error as { message: string }).message).toMatch(message);
    }
  });

  test('is tried again when retry names its error', async () => {
    await startWatcher(database.url, programs);
    const { tasks } = await run([
      {
        id: 'a',
        program: 'takes',
        input: '$error("no")',
        retry: { limit: 2, delay: 0, on: ['ExpressionError'] },
      },
    ]);
    expect(tasks.get('a')).toMatchObject({ attempt: 3, status: 'suspend' });
  });

  test('may be allowed', async () => {
    await startWatcher(database.url, programs);
    const { end, tasks } = await run([
      { id: 'a', program: 'takes', input: '$error("no")', allowFail: true },
      { id: 'b', program: 'takes', after: ['a'], input: '{"a": $steps.a}' },
    ]);
    expect(end?.status).toBe('success');
    expect(outputs(tasks, 'b')).toEqual([{ a: null }]);
  });

  test('with an endless loop or a hopeless pattern hurts no other task', async () => {
    await startWatcher(database.url, programs);
    const { tasks } = await run([
      { id: 'loop', program: 'takes', input: '($f := function($x) { $f($x + 1) }; $f(1))' },
      { id: 'pattern', program: 'takes', input: `$match("${'a'.repeat(40)}b", /^(a+)+$/)` },
      { id: 'fine', program: 'takes', input: '$map([1], function($x) { $x + 1 })' },
    ]);
    expect(tasks.get('loop')?.error).toMatchObject({
      name: 'ExpressionError',
      message: expect.stringContaining('too long'),
    });
    expect(tasks.get('pattern')?.error).toMatchObject({
      name: 'ExpressionError',
      message: expect.stringContaining('too long'),
    });
    expect(outputs(tasks, 'fine')).toEqual([2]);
  });

  test('because of its size fails its task', async () => {
    await startWatcher(database.url, programs);
    const { tasks } = await run([
      { id: 'input', program: 'takes', input: '$pad("x", 1100000)' },
      {
        id: 'params',
        program: 'shows',
        params: { a: '${{ $pad("x", 600000) }}', b: '${{ $pad("x", 600000) }}' },
      },
      { id: 'nul', program: 'takes', input: '$decodeUrlComponent("%00")' },
      { id: 'select', program: 'gives', params: { value: 1 }, select: '$decodeUrlComponent("%00")' },
    ]);
    expect(tasks.get('input')?.error).toMatchObject({ name: 'ExpressionError' });
    expect(tasks.get('params')?.error).toMatchObject({
      name: 'ExpressionError',
      message: expect.stringMatching(/^params: .* the limit is 1 MiB$/),
    });
    for (const step of ['nul', 'select'])
      expect(tasks.get(step)?.error).toMatchObject({
        name: 'ResultError',
        message: expect.stringContaining('NUL'),
      });
  });
});

describe('a secret', () => {
  const SECRET = 'tp_s3cr3t/"value';
  const leaks = [SECRET, encodeURIComponent(SECRET), Buffer.from(SECRET).toString('base64')];

  test('reaches the program and nothing else: no row, no log, no error', async () => {
    const seen: unknown[] = [];
    const careless = defineProgram({
      name: 'careless',
      description: '',
      params: Type.Object({ token: Type.String(), fail: Type.Optional(Type.Boolean()) }),
      run({ params, log }) {
        seen.push(params.token);
        log.info(`using ${params.token}`, {
          header: { authorization: params.token },
          err: new Error(params.token),
        });
        if (params.fail)
          throw Object.assign(new Error(`denied: ${params.token}`), {
            details: { sent: leaks },
            cause: leaks,
          });
        return { echoed: params.token, forms: leaks, keys: { [params.token]: 1 } };
      },
    });
    const { logged } = await startWatcher(database.url, [careless], {
      findSecret: (name) => (name === 'token' ? SECRET : undefined),
    });
    const { id, tasks } = await run([
      { id: 'ok', program: 'careless', params: { token: 'Bearer ${{ $secrets.token }}' } },
      { id: 'bad', program: 'careless', params: { token: '${{ $secrets.token }}', fail: true } },
      { id: 'refused', program: 'timer.sleep', params: { duration: '${{ $secrets.token }}' } },
      { id: 'thrown', program: 'careless', params: { token: '${{ $error($secrets.token) }}' } },
    ]);
    expect(new Set(seen)).toEqual(new Set([`Bearer ${SECRET}`, SECRET]));
    expect(tasks.get('ok')).toMatchObject({ status: 'finish', output: { echoed: 'Bearer ***' } });
    expect(tasks.get('bad')?.error).toMatchObject({ message: expect.stringContaining('denied: ***') });
    expect(tasks.get('refused')?.error).toMatchObject({ name: 'InvalidParametersError' });
    expect(tasks.get('thrown')?.error).toMatchObject({ name: 'ExpressionError' });
    const everything = JSON.stringify([await readTasks(database.db, id), logged]);
    for (const leak of leaks) expect(everything).not.toContain(JSON.stringify(leak).slice(1, -1));
    expect(everything).not.toContain('s3cr3t');
    expect(everything).toContain('using Bearer ***');
  });

  test('that is not there is nothing, and the log says so', async () => {
    const { logged } = await startWatcher(database.url, programs);
    const { tasks } = await run([
      { id: 'a', program: 'shows', params: { x: 'Bearer ${{ $secrets.gone }}' } },
    ]);
    expect(outputs(tasks, 'a')).toEqual([{ params: { x: 'Bearer ' }, input: null }]);
    expect(logged.map(({ msg }) => msg)).toContain('there is no secret "gone": its expression gets nothing');
  });
});

test('rerunning works out everything anew, from the input that the execution was started with', async () => {
  let calls = 0;
  const counts = defineProgram({ name: 'counts', description: '', run: () => (calls += 1) });
  await startWatcher(database.url, [...programs, counts]);
  const { id } = await run(
    [
      { id: 'a', program: 'takes' },
      { id: 'n', program: 'counts', after: ['a'] },
      {
        id: 'b',
        program: 'shows',
        after: ['n'],
        input: '$execution.input',
        params: { n: '${{ $steps.n }}' },
      },
    ],
    { input: { first: true } },
  );
  await registrar.control.rerun({ tenant: 'local', id, step: 'a', downstream: true });
  await registrar.execute.waitForEnd(id, 30_000, new AbortController().signal);
  const [a, , b] = await readTasks(database.db, id);
  expect(a).toMatchObject({ attempt: 2, input: { first: true }, result: { first: true } });
  expect(b?.result).toEqual({ input: { first: true }, params: { n: 2 } });
  const { rows } = await database.db.pool.query('select input from kr_flow_stat where task_flow_id = $1', [
    id,
  ]);
  expect(rows).toEqual([{ input: { first: true } }]);
});
