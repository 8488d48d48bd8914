import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { JsonObject } from '../../../src/dag/vocabulary.ts';
import { defineProgram } from '../../../src/programs/program.ts';
import { Type } from '../../../src/index.ts';
import type { ExecuteRequest } from '../../../src/registrar/execute.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { makeTestRegistrar, type Registering } from '../../support/flows.ts';
import { randomGraphs } from '../../support/steps.ts';
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

const query = async (text: string, values: unknown[] = []) =>
  (await database.db.pool.query<Record<string, unknown>>(text, values)).rows;
const define = (flow: JsonObject) =>
  registrar.flows.define({ tenant: 'local', flow: flow['id'] as string }, flow);
const start = (flow: string, rest: Partial<ExecuteRequest> = {}) =>
  registrar.execute.start({ flow, tenant: 'local', user: 'u', ...rest });
const end = (id: string) => registrar.execute.waitForEnd(id, 20_000, new AbortController().signal);
const tasksOf = async (id: string) => (await registrar.executions.read({ tenant: 'local', id })).tasks;

/** Remembers what ran, in order, and gives the step's name with its input. */
function makeRecorder() {
  const ran: string[] = [];
  const program = defineProgram({
    name: 'record',
    description: '',
    readsInput: true,
    run({ step, input }) {
      ran.push(step.id);
      return { step: step.id, input };
    },
  });
  return { ran, program };
}

const DIAMOND = {
  id: 'diamond',
  steps: [
    { id: 'a', program: 'record' },
    { id: 'b', program: 'record', after: ['a'] },
    { id: 'c', program: 'record', after: ['a'] },
    { id: 'd', program: 'record', after: ['b', 'c'] },
  ],
};

describe('step', () => {
  test('runs that step and what comes after it, with the input of the execution; the others are not selected', async () => {
    const { ran, program } = makeRecorder();
    await startWatcher(database.url, [program]);
    await define(DIAMOND);
    const id = await start('diamond', { options: { step: 'b' }, input: 7 });
    const left = { step: 'd', input: { b: { step: 'b', input: 7 }, c: null } };
    expect(await end(id)).toMatchObject({ status: 'success', output: left });
    expect(ran).toEqual(['b', 'd']);
    const tasks = await tasksOf(id);
    expect(tasks.map(({ execStatus, reason }) => [execStatus, reason])).toEqual([
      [9, 'not_selected'],
      [3, null],
      [9, 'not_selected'],
      [3, null],
    ]);
    expect(tasks[0]!.why).toBe('not selected when the execution was started');
  });

  test('stays left out when a task is rerun with all that comes after it', async () => {
    const { ran, program } = makeRecorder();
    await startWatcher(database.url, [program]);
    await define(DIAMOND);
    const id = await start('diamond', { options: { step: 'b' } });
    await end(id);
    await registrar.control.rerun({ tenant: 'local', id, step: 'b', downstream: true });
    await expect.poll(() => ran).toEqual(['b', 'd', 'b', 'd']);
    expect((await end(id))!.status).toBe('success');
  });

  test('that there is not is refused, with the near one', async () => {
    await define({ id: 'one', steps: [{ id: 'load', program: 'empty' }] });
    const problems = [
      { path: 'step', message: '"one" has no step "laod" (did you mean "load"?)' },
      { path: 'output', message: '"one" has no step "x"' },
    ];
    await expect(start('one', { options: { step: 'laod', output: 'x' } })).rejects.toMatchObject({
      code: 'BODY_INVALID',
      details: { problems },
    });
  });

  test('leaves rows as wiring them anew would, whatever the graph and whichever the direction', async () => {
    const property = fc.asyncProperty(
      randomGraphs(8),
      fc.nat(),
      fc.boolean(),
      async ({ steps }, pick, reverse) => {
        await query(
          'truncate ms_task_definition, kr_task_stat, kr_flow_stat, ms_flow_version, ms_plan, ms_flow cascade',
        );
        const fresh = makeTestRegistrar(database.db);
        for (const { seq, id, program, dependsSeq, after, before } of steps)
          await query(
            `insert into ms_task_definition (task_id, task_seq, step_id, program, depends_task_seq, after, before) values ('g', $1, $2, $3, $4, $5, $6)`,
            [seq, id, program, dependsSeq, after, before],
          );
        const step = steps[pick % steps.length]!;
        const options = { step: step.id ?? step.seq, ...(reverse ? { reverse } : {}) };
        const id = await fresh.execute.start({ flow: 'g', tenant: 'local', user: 'u', options });
        const rows = () =>
          query(
            `select task_exec_seq, exec_status, reason, ready, waiting_on, live, depends, releases,
               (select active from kr_flow_stat f where f.task_flow_id = t.task_flow_id) from kr_task_stat t order by 1`,
          );
        const registered = await rows();
        await query('select umbel_wire($1)', [id]);
        expect(registered).toEqual(await rows());
      },
    );
    await fc.assert(property, { numRuns: 40, seed: 7 });
  });
});

describe('reverse', () => {
  test('runs against the edges', async () => {
    const { ran, program } = makeRecorder();
    await startWatcher(database.url, [program]);
    await define(DIAMOND);
    const id = await start('diamond', { options: { reverse: true, step: 'b' } });
    expect(await end(id)).toMatchObject({ status: 'success', output: { step: 'a' } });
    expect(ran).toEqual(['b', 'a']);
    const whole = await start('diamond', { options: { reverse: true } });
    await end(whole);
    expect([ran[2], ran[5]]).toEqual(['d', 'a']);
  });
});

describe('output', () => {
  test('names the step whose result is the execution’s', async () => {
    const { program } = makeRecorder();
    await startWatcher(database.url, [program]);
    await define(DIAMOND);
    const id = await start('diamond', { options: { output: 'a' }, input: 1 });
    expect(await end(id)).toMatchObject({ output: { step: 'a', input: 1 } });
  });
});

describe('retries', () => {
  const failing = () => {
    const tries: Record<string, number> = {};
    const program = defineProgram({
      name: 'fail',
      description: '',
      retries: 1,
      params: Type.Object({}, { additionalProperties: true }),
      run({ step }) {
        tries[step.id] = (tries[step.id] ?? 0) + 1;
        throw new Error('no luck');
      },
    });
    return { tries, program };
  };
  const retry = { limit: 2, delay: 1, jitter: 'none' };

  test.each([
    ['the step’s own', { retries: 3 }, { retry: { limit: 1, delay: 1 } }, { retry }, 2],
    ['the execution’s', { retries: 3 }, {}, { retry }, 4],
    ['none, which the execution says', { retries: 0 }, {}, { retry }, 1],
    ['the flow’s', {}, {}, { retry }, 3],
    ['none, which the step says', { retries: 3 }, { retry: 0 }, { retry }, 1],
  ])('are %s', async (_, options, step, defaults, tries) => {
    const { tries: counted, program } = failing();
    await startWatcher(database.url, [program], { pollInterval: 100 });
    await define({
      id: 'f',
      defaults,
      steps: [{ id: 's', program: 'fail', ...(step as JsonObject) }],
    });
    const id = await start('f', Object.keys(options).length > 0 ? { options } : {});
    expect((await end(id))!.status).toBe('failed');
    expect(counted).toEqual({ s: tries });
  });

  test('of the program give way to those of the execution', async () => {
    const { tries, program } = failing();
    await startWatcher(database.url, [program], { pollInterval: 100 });
    await define({ id: 'f', steps: [{ id: 's', program: 'fail' }] });
    expect((await end(await start('f', { options: { retries: 0 } })))!.status).toBe('failed');
    expect(tries).toEqual({ s: 1 });
  });
});

describe('an execution with options', () => {
  test('shows the version of its flow, and its own is not among the versions', async () => {
    await define({ id: 'f', steps: [{ id: 's', program: 'empty' }] });
    const id = await start('f', { options: { retries: 2 } });
    const { version } = await registrar.executions.read({ tenant: 'local', id });
    const versions = await registrar.flows.versions({ tenant: 'local', flow: 'f' });
    expect(versions.map((one) => [one.version, one.current])).toEqual([[version, true]]);
  });

  test('is another request than one without, under the same id', async () => {
    await define({ id: 'f', steps: [{ id: 's', program: 'empty' }] });
    await start('f', { id: 'mine', options: { retries: 2 } });
    expect(await start('f', { id: 'mine', options: { retries: 2 } })).toBe('mine');
    await expect(start('f', { id: 'mine' })).rejects.toMatchObject({ code: 'EXECUTION_EXISTS' });
  });
});
