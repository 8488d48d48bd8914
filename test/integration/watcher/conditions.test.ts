// Conditions on edges: after a step has finished, they decide which of its dependants go on.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Json } from '../../../src/dag/vocabulary.ts';
import { defineProgram } from '../../../src/programs/program.ts';
import { makeFlowRepository } from '../../../src/registrar/repository/repository.ts';
import type { StepDefinition } from '../../../src/registrar/definition/schema.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { makeTestRegistrar, type Registering, untilStatuses } from '../../support/flows.ts';
import { makeProbe } from '../../support/probe.ts';
import { readTask, readTasks } from '../../support/rows.ts';
import { startWatcher, stopWatchers } from '../../support/watcher.ts';

let database: TestDatabase;
let registrar: Registering;
const probe = makeProbe();
/** Returns its input. */
const takes = defineProgram({ name: 'takes', description: '', readsInput: true, run: ({ input }) => input });

beforeEach(async () => {
  database = await createDatabase();
  registrar = makeTestRegistrar(database.db);
  await startWatcher(database.url, [probe.program, takes]);
});
afterEach(async () => {
  await stopWatchers();
  await database.drop();
});

const untilEnd = (id: string) =>
  registrar.execute.waitForEnd(id, 30_000, new AbortController().signal).then(() => id);

async function start(steps: Partial<StepDefinition>[], input: Json = null): Promise<string> {
  const flow = { id: 'f', steps };
  await registrar.flows.define({ tenant: 'local', flow: 'f' }, flow);
  return registrar.start('f', { input });
}

/** How each task stands, by step: 3, or the reason. */
async function standOf(id: string) {
  const { tasks } = await registrar.executions.read({ tenant: 'local', id });
  const rows = await readTasks(database.db, id);
  return Object.fromEntries(
    tasks.map(({ step }, at) => [step, rows[at]!.status === 3 ? 3 : rows[at]!.reason]),
  );
}

const run = async (steps: Partial<StepDefinition>[], input?: Json) =>
  standOf(await untilEnd(await start(steps, input)));

const diamond = (conditionOfC: string, program = 'takes'): Partial<StepDefinition>[] => [
  { id: 'a', program },
  { id: 'b', program: 'empty', after: ['a'], conditions: { a: '$.x > 1' } },
  { id: 'c', program: 'empty', after: ['a'], conditions: { a: conditionOfC } },
  { id: 'd', program: 'empty', after: ['b', 'c'] },
];

describe('conditions on the edges of a diamond', () => {
  test('let exactly the branch run whose condition holds, and what comes after both', async () => {
    const steps = diamond('$not($.x > 1)');
    expect(await run(steps, { x: 2 })).toEqual({ a: 3, b: 3, c: 'skipped', d: 3 });
    expect(await run(steps, { x: 1 })).toEqual({ a: 3, b: 'skipped', c: 3, d: 3 });
  });

  test('skip both branches, and what comes after both, when none holds', async () => {
    const id = await untilEnd(await start(diamond('$.x < 0'), { x: 0 }));
    expect(await standOf(id)).toEqual({ a: 3, b: 'skipped', c: 'skipped', d: 'skipped' });
    expect(await registrar.executions.read({ tenant: 'local', id })).toMatchObject({ status: 'success' });
  });

  test('decide anew when a hand sets the execution back', async () => {
    const id = await start(diamond('$.x <= 1', 'probe'));
    (await probe.next()).finish({ x: 2 });
    await untilStatuses(database.db, id, [3, 3, 9, 3]);
    await database.db.pool.query('update kr_task_stat set exec_status = 0 where task_flow_id = $1', [id]);
    (await probe.next()).finish({ x: 1 });
    await untilStatuses(database.db, id, [3, 9, 3, 3]);
  });

  test('are not asked when a hand sets the step to finished: all go on', async () => {
    const id = await start(diamond('false', 'probe'));
    await probe.next();
    await database.db.pool.query(
      'update kr_task_stat set exec_status = 3 where task_flow_id = $1 and task_exec_seq = 1',
      [id],
    );
    await untilStatuses(database.db, id, [3, 3, 3, 3]);
  });
});

test('an edge without a condition is always taken, one that asks for a failure is not', async () => {
  const steps = [
    { id: 'a', program: 'takes', catch: [{ errors: ['Odd'], goto: 'odd' }] },
    { id: 'asked', program: 'empty', after: ['a'], conditions: { a: 'false' } },
    { id: 'plain', program: 'empty', after: ['a'] },
    { id: 'any', program: 'empty', after: ['a'], join: 'allDone' as const },
    { id: 'bad', program: 'empty', after: ['a'], edges: { a: 'failed' as const } },
    { id: 'odd', program: 'empty' },
    { id: 'after', program: 'empty', after: ['asked', 'plain'] },
  ];
  expect(await run(steps)).toEqual({
    a: 3,
    asked: 'skipped',
    plain: 3,
    any: 3,
    bad: 'skipped',
    odd: 'skipped',
    after: 3,
  });
});

test('a condition sees what select made of the result, what came before, and the execution', async () => {
  const holds = (condition: string) => ({ program: 'empty', after: ['b'], conditions: { b: condition } });
  const steps = [
    { id: 'a', program: 'takes' },
    { id: 'b', program: 'takes', after: ['a'], select: 'y', output: 'why' },
    { id: 'context', ...holds('$ = 7') },
    { id: 'input', ...holds('$input = 7') },
    { id: 'own', ...holds('$steps.why = 7') },
    { id: 'earlier', ...holds('$steps.a.y = 7') },
    { id: 'execution', ...holds('$execution.input.y = 7') },
    { id: 'not', ...holds('$ = 8') },
  ];
  const { not, ...others } = await run(steps, { y: 7 });
  expect(not).toBe('skipped');
  expect(new Set(Object.values(others))).toEqual(new Set([3]));
});

test('a condition of a step that awaits a callback is asked of what the caller brought', async () => {
  const [, ...rest] = diamond('$.x = 1');
  const id = await start([{ id: 'a', program: 'probe', awaitCallback: true }, ...rest]);
  const { context, finish } = await probe.next();
  finish({ x: 2 });
  await untilStatuses(database.db, id, [2, 0, 0, 0]);
  await registrar.callbacks.complete(context.callback!.token, { x: 1 });
  await untilStatuses(database.db, id, [3, 9, 3, 3]);
});

test('one that cannot be worked out fails the task, naming the edge, and nothing goes on', async () => {
  const id = await untilEnd(await start(diamond('$error("no x")'), { x: 2 }));
  expect(await standOf(id)).toEqual({ a: 'failed', b: null, c: null, d: null });
  const { error } = await readTask(database.db, id, 1);
  expect(error).toMatchObject({
    name: 'ExpressionError',
    message: expect.stringMatching(/^condition of the edge a → c: .*no x/) as string,
  });
});

test('a finished task that a hand deletes holds nobody back any more', async () => {
  const steps = [
    { id: 'a', program: 'takes' },
    { id: 'b', program: 'probe' },
    { id: 'either', program: 'empty', after: ['a', 'b'], join: 'any' as const, conditions: { a: '$.x' } },
  ];
  const id = await start(steps, { x: false });
  const { finish } = await probe.next();
  await untilStatuses(database.db, id, [3, 1, 0]);
  const text = 'delete from kr_task_stat where task_flow_id = $1 and task_exec_seq = 1';
  await database.db.pool.query(text, [id]);
  await untilStatuses(database.db, id, [1, 3]);
  finish();
  await untilEnd(id);
});

test('backwards they decide nothing', async () => {
  await registrar.flows.define({ tenant: 'local', flow: 'f' }, { id: 'f', steps: diamond('false') });
  const id = await registrar.start('f', { options: { reverse: true } });
  await untilStatuses(database.db, id, [3, 3, 3, 3]);
});

test('a graph of nodes and edges takes the edge whose condition holds', async () => {
  const node = (id: string, name = 'empty') => ({ id, componentId: 'program', function: name });
  const edge = (target: string, condition: string) => ({ source: 'a', target, config: { condition } });
  const viewer = { user: 'u', tenant: 'local', permissions: 'all' } as const;
  await makeFlowRepository(database.db).create(viewer, {
    id: 'graph',
    graph: {
      nodes: [node('a', 'takes'), node('b'), node('c')],
      edges: [edge('b', '$input.status = 200'), edge('c', 'status != 200')],
    },
  });
  const id = await untilEnd(await registrar.start('graph', { input: { status: 404 } }));
  expect(await standOf(id)).toEqual({ a: 3, b: 'skipped', c: 3 });
});
