import * as fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { isUmbelError } from '../../../src/errors.ts';
import { normalizeFlow } from '../../../src/registrar/definition/rows.ts';
import { Flow, type FlowDefinition } from '../../../src/registrar/definition/schema.ts';
import { checkFlow } from '../../../src/registrar/definition/check.ts';
import { makeRegistrar, type Registrar } from '../../../src/registrar/registrar.ts';
import { editFlow } from '../../../src/sql/flows.ts';
import { planWrite, placeSteps } from '../../../src/registrar/definition/changes.ts';
import { createDatabase, servers, type TestDatabase } from '../../support/database.ts';
import { valuesOf } from '../../support/schemas.ts';

const which = { tenant: 'local', flow: 'orders' };
const step = (id: string, rest: object = {}) => ({ id, program: 'empty', ...rest });
const orders = {
  id: 'orders',
  name: 'Orders',
  maxRunning: 3,
  defaults: { priority: 5, pool: 'gpu' },
  steps: [
    step('load', { params: { url: 'http://localhost', list: [1, { a: null }] } }),
    step('check', { after: ['load'], priority: 0, pool: 'default', description: 'looks twice' }),
    step('ship', { after: ['check'] }),
  ],
};

describe.each(servers())('on $name', ({ server }) => {
  let database: TestDatabase;
  let registrar: Registrar;
  beforeAll(async () => {
    database = await createDatabase({ server });
    registrar = makeRegistrar({ db: database.db, wake: () => {} });
  });
  afterAll(() => database.drop());
  beforeEach(() =>
    query(
      'truncate ms_task_definition, ms_flow, ms_flow_version, ms_plan, kr_task_stat, kr_flow_stat cascade',
    ),
  );

  const query = async (text: string, values: unknown[] = []) =>
    (await database.db.pool.query<Record<string, unknown>>(text, values)).rows;
  const define = (value: unknown = orders, flow = 'orders') =>
    registrar.flows.define({ tenant: 'local', flow }, value);
  const steps = async () => (await registrar.flows.read(which)).flow.steps;
  const ids = async () => (await steps()).map(({ id, after = [] }) => [id, ...after].join('<'));
  const register = () => registrar.register({ ...which, trigger: {} });
  const codeOf = async (work: Promise<unknown>) =>
    work.then(
      () => 'ok',
      (error: unknown) => (isUmbelError(error) ? error.code : String(error)),
    );
  const problemsOf = async (work: Promise<unknown>) =>
    work.then(
      () => [],
      (error: unknown) =>
        isUmbelError(error, 'DEFINITION_INVALID')
          ? error.details.problems.map(({ path, message }) => `${path}: ${message}`)
          : [String(error)],
    );

  describe('a whole flow', () => {
    it('is stored in rows and read back as it was written', async () => {
      const { flow, version, changes } = await define();
      expect(flow).toEqual(normalizeFlow(orders));
      expect(changes).toMatchObject({ kind: 'created', added: ['load', 'check', 'ship'] });
      expect(version).toMatch(/^[0-9a-f-]{36}$/);
      expect(
        await query(
          'select task_seq::int seq, step_id, task_priority::int priority, pool, params, after, before, options from ms_task_definition order by 1',
        ),
      ).toEqual([
        {
          seq: 1,
          step_id: 'load',
          priority: 0,
          pool: null,
          params: { url: 'http://localhost', list: [1, { a: null }] },
          after: [],
          before: null,
          options: null,
        },
        {
          seq: 2,
          step_id: 'check',
          priority: 0,
          pool: 'default',
          params: {},
          after: ['load'],
          before: null,
          options: { priority: 0, description: 'looks twice' },
        },
        {
          seq: 3,
          step_id: 'ship',
          priority: 0,
          pool: null,
          params: {},
          after: ['check'],
          before: null,
          options: null,
        },
      ]);
      expect(await query('select name, description, max_running, settings, tenant from ms_flow')).toEqual([
        {
          name: 'Orders',
          description: null,
          max_running: 3,
          settings: { defaults: orders.defaults },
          tenant: 'local',
        },
      ]);
    });

    it('says the same whatever it says', async () => {
      const values = valuesOf(Flow) as fc.Arbitrary<FlowDefinition>;
      const property = fc.asyncProperty(values, async (value) => {
        const flow = { ...value, id: 'orders' };
        await editFlow(database.db, which, (stored) => ({
          write: planWrite(stored, flow, placeSteps(stored, flow)),
          result: undefined,
        }));
        expect((await registrar.flows.read(which)).flow).toEqual(normalizeFlow(flow));
      });
      await fc.assert(property, { numRuns: 60 });
    });

    it('gives its defaults to the tasks of steps that do not say', async () => {
      await define();
      await register();
      expect(
        await query('select task_priority::int priority, pool from kr_task_stat order by task_exec_seq'),
      ).toEqual([
        { priority: 5, pool: 'gpu' },
        { priority: 0, pool: 'default' },
        { priority: 5, pool: 'gpu' },
      ]);
    });

    it('written again changes nothing, and says so', async () => {
      await define();
      const before = await query('select revision, updated_ts from ms_flow');
      const again = await define({ ...orders, steps: orders.steps.map((one) => ({ ...one, before: [] })) });
      expect(again.changes).toMatchObject({ kind: 'unchanged', added: [], changed: [], removed: [] });
      expect(await query('select revision, updated_ts from ms_flow')).toEqual(before);
    });

    it('says what changed', async () => {
      await define();
      const [load, check] = orders.steps;
      const next = { ...orders, name: 'Ordering', steps: [{ ...load, params: {} }, check, step('pack')] };
      expect((await define(next)).changes).toEqual({
        kind: 'changed',
        added: ['pack'],
        changed: ['load'],
        removed: ['ship'],
        keys: ['name'],
      });
      const reordered = { ...next, steps: next.steps.toReversed() };
      expect((await define(reordered)).changes.keys).toEqual(['steps']);
      expect(await ids()).toEqual(['pack', 'check<load', 'load']);
    });

    it('is refused with all its problems, and nothing is written', async () => {
      await define();
      const bad = { id: 'order', steps: [step('a', { after: ['b'], retry: 'x' })] };
      expect(await problemsOf(define(bad))).toEqual([
        'steps[0].retry: must be a whole number ≥ 0 or an object',
        'id: must be "orders", as the flow is called',
        expect.stringContaining('steps[0].after[0]: no step is called "b"'),
      ]);
      expect(await problemsOf(define(bad, 'new'))).not.toEqual([]);
      expect(await query('select task_id from ms_flow')).toEqual([{ task_id: 'orders' }]);
      expect(await ids()).toEqual(['load', 'check<load', 'ship<check']);
    });

    it('of another tenant is neither seen nor overwritten', async () => {
      await define();
      const foreign = { ...which, tenant: 'other' };
      expect(await codeOf(registrar.flows.define(foreign, orders))).toBe('FLOW_EXISTS');
      expect(await codeOf(registrar.flows.createStep(foreign, step('x')))).toBe('FLOW_EXISTS');
      expect(await codeOf(registrar.flows.read(foreign))).toBe('FLOW_NOT_FOUND');
      expect(await codeOf(registrar.flows.delete(foreign))).toBe('FLOW_NOT_FOUND');
    });

    it('is gone when it is deleted, and can be made anew', async () => {
      await define();
      await register();
      await registrar.flows.delete(which);
      expect(await codeOf(registrar.flows.read(which))).toBe('FLOW_NOT_FOUND');
      expect(await codeOf(register())).toBe('FLOW_NOT_FOUND');
      expect(await codeOf(registrar.flows.delete(which))).toBe('FLOW_NOT_FOUND');
      expect(await query('select count(*)::int tasks from kr_task_stat')).toEqual([{ tasks: 3 }]);
      const other = { id: 'orders', steps: [step('one')] };
      expect((await define(other)).flow).toEqual(normalizeFlow(other));
      await register();
      expect(await query('select count(*)::int tasks from kr_task_stat')).toEqual([{ tasks: 4 }]);
    });
  });

  describe('a flow made by SQL', () => {
    const insert = () =>
      query(
        `insert into ms_task_definition (task_id, task_seq, program, param1_key, param1_value, step_id, depends_task_seq, options) values
           ('orders', 10, 'A', 'X', '1', null, null, null), ('orders', 20, 'B', null, null, 'b', null, null),
           ('orders', 30, 'C', null, null, null, '{10,20}', '{"name": "See"}')`,
      );

    it('shows what its rows leave to their order', async () => {
      await insert();
      expect(await steps()).toEqual([
        { id: '10', program: 'A', params: { X: '1' } },
        { id: 'b', program: 'B', params: {}, after: ['10'] },
        { id: '30', name: 'See', program: 'C', params: {}, after: ['10', 'b'] },
      ]);
    });

    it('is left alone when it is defined as it is', async () => {
      await insert();
      const { flow } = await registrar.flows.read(which);
      expect((await define(flow)).changes.kind).toBe('unchanged');
      expect(await query('select count(step_id)::int named from ms_task_definition')).toEqual([{ named: 1 }]);
    });

    it('keeps its meaning when a step is taken out of it', async () => {
      await insert();
      await registrar.flows.deleteStep({ ...which, step: 'b', detach: true });
      expect(await ids()).toEqual(['10', '30<10']);
    });

    it('is not registered when its options make no sense', async () => {
      await insert();
      await query(`update ms_task_definition set options = '{"retri": 1}' where task_seq = 20`);
      await query(`update ms_flow set settings = '{"defaults": {"priority": 99}}'`);
      const problems = [
        'defaults.priority: must be a whole number from -20 to 19',
        expect.stringMatching(/^steps\[1\]\.retri: is not known \(did you mean "retry"/),
      ];
      expect(await problemsOf(register())).toEqual(problems);
      expect((await registrar.flows.graph(which)).problems).toHaveLength(2);
      expect((await registrar.flows.read(which)).version).toBeNull();
    });

    it('is registered anew when its settings change', async () => {
      await insert();
      await register();
      await query(`update ms_flow set settings = '{"defaults": {"priority": 7}}'`);
      await register();
      const rows = await query('select distinct task_priority::int priority from kr_task_stat order by 1');
      expect(rows).toEqual([{ priority: 0 }, { priority: 7 }]);
    });
  });

  describe('steps', () => {
    const create = (id: string, rest: object = {}) => registrar.flows.createStep(which, step(id, rest));

    it('are put at the end one by one; the first makes the flow', async () => {
      const first = await create('b', { after: ['a'], params: { x: 1 } });
      expect(first.step).toEqual({ id: 'b', program: 'empty', params: { x: 1 }, after: ['a'] });
      expect(first.warnings).toEqual([
        { path: 'steps[0].after[0]', message: expect.stringContaining('no step is called "a"') },
      ]);
      expect(await codeOf(register())).toBe('DEFINITION_INVALID');
      expect((await create('a')).warnings).toEqual([]);
      expect(await ids()).toEqual(['b<a', 'a']);
      expect(await codeOf(register())).toBe('ok');
    });

    it('cannot be created twice, nor closing a cycle, nor wrong', async () => {
      await create('a');
      expect(await codeOf(create('a'))).toBe('STEP_EXISTS');
      await create('b', { after: ['a'] });
      expect(await problemsOf(create('c', { after: ['b'], before: ['a'] }))).toEqual([
        expect.stringContaining('cycle: a → b → c → a'),
      ]);
      expect(await problemsOf(create('d', { retry: -1, priority: 'high' }))).toEqual([
        'steps[2].retry: must be a whole number ≥ 0',
        'steps[2].priority: must be a whole number from -20 to 19',
      ]);
      expect(await problemsOf(registrar.flows.createStep(which, []))).toEqual([': a step must be an object']);
      expect(await problemsOf(registrar.flows.createStep(which, {}))).toEqual(
        expect.arrayContaining(['steps[2].id: is required', 'steps[2].program: is required']),
      );
      expect(await ids()).toEqual(['a', 'b<a']);
    });

    it('are replaced where they stand; references follow a new id', async () => {
      await define();
      await registrar.flows.replaceStep({ ...which, step: 'check' }, step('verify', { after: ['load'] }));
      expect(await ids()).toEqual(['load', 'verify<load', 'ship<verify']);
      await registrar.flows.replaceStep({ ...which, step: 'load' }, { program: 'other' });
      expect((await steps())[0]).toEqual({ id: 'load', program: 'other', params: {} });
      expect(await codeOf(registrar.flows.replaceStep({ ...which, step: 'load' }, step('ship')))).toBe(
        'STEP_EXISTS',
      );
      expect(await codeOf(registrar.flows.replaceStep({ ...which, step: 'lod' }, step('lod')))).toBe(
        'STEP_NOT_FOUND',
      );
      expect(
        await codeOf(registrar.flows.replaceStep({ ...which, flow: 'x', step: 'load' }, step('load'))),
      ).toBe('FLOW_NOT_FOUND');
    });

    it('are deleted when nobody names them, or detached', async () => {
      await define();
      const drop = (id: string, detach = false) => registrar.flows.deleteStep({ ...which, step: id, detach });
      expect(await codeOf(drop('check'))).toBe('STEP_REQUIRED');
      expect(await ids()).toEqual(['load', 'check<load', 'ship<check']);
      await drop('check', true);
      expect(await ids()).toEqual(['load', 'ship']);
      await drop('ship');
      expect(await codeOf(drop('ship'))).toBe('STEP_NOT_FOUND');
      await drop('load');
      expect(await codeOf(drop('load'))).toBe('FLOW_NOT_FOUND');
    });

    it('all arrive when many are created at once', async () => {
      const names = [...Array(12).keys()].map((n) => `s${n}`);
      await Promise.all(names.map((id) => create(id)));
      expect((await ids()).toSorted()).toEqual(names.toSorted());
      expect(await query('select count(distinct task_seq)::int n from ms_task_definition')).toEqual([
        { n: 12 },
      ]);
    });

    it('that change leave executions as they were registered', async () => {
      await define();
      const { id } = await register();
      const before = await registrar.executions.read({ tenant: 'local', id });
      await registrar.flows.replaceStep({ ...which, step: 'load' }, step('fetch', { program: 'other' }));
      await registrar.flows.deleteStep({ ...which, step: 'ship', detach: true });
      expect(await registrar.executions.read({ tenant: 'local', id })).toEqual(before);
    });
  });

  it('draws the graph in true topological levels', async () => {
    await define({
      id: 'orders',
      steps: [
        step('d', { after: ['a', 'c'] }),
        step('a', { name: 'A' }),
        step('b', { before: ['c'] }),
        step('c'),
      ],
    });
    expect(await registrar.flows.graph(which)).toEqual({
      nodes: [
        { id: 'd', program: 'empty', name: null, level: 2 },
        { id: 'a', program: 'empty', name: 'A', level: 0 },
        { id: 'b', program: 'empty', name: null, level: 0 },
        { id: 'c', program: 'empty', name: null, level: 1 },
      ],
      edges: [
        { source: 'a', target: 'd' },
        { source: 'c', target: 'd' },
        { source: 'b', target: 'c' },
      ],
      levels: [['a', 'b'], ['c'], ['d']],
      problems: [],
    });
  });

  it('keeps versions: a change of anything that runs makes one, and going back finds the old one', async () => {
    const versions = [];
    for (const value of [orders, { ...orders, defaults: { priority: 6 } }, { ...orders, name: 'O' }]) {
      versions.push((await define(value)).version);
    }
    expect(versions[2]).toBe(versions[0]);
    expect(versions[1]).not.toBe(versions[0]);
    const listed = await registrar.flows.versions(which);
    expect(listed.map(({ version, current }) => [version, current])).toEqual([
      [versions[1], false],
      [versions[0], true],
    ]);
    expect(checkFlow(listed[0]?.definition).problems).toEqual([]);
    expect(listed[0]?.definition).toMatchObject({ id: 'orders', defaults: { priority: 6 } });
    expect(await codeOf(registrar.flows.versions({ ...which, flow: 'x' }))).toBe('FLOW_NOT_FOUND');
  });
});
