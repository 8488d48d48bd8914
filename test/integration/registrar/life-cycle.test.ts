import * as fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Reconciled, reconcile } from '../../../src/registrar/life-cycle/reconcile.ts';
import { makeLifeCycle } from '../../../src/registrar/life-cycle/start-stop.ts';
import { makeRegistrar } from '../../../src/registrar/registrar.ts';
import type { Database } from '../../../src/sql/database.ts';
import { type Crash, crashing, isCrash } from '../../support/crashes.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';

const START_TIMEOUT = 60_000;
const viewer = { tenant: 'local', user: 'ann', permissions: 'all' as const };

let database: TestDatabase;
/** Why the component cannot be used. */
let trouble: string | null;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  trouble = null;
  await query('delete from ms_task_definition');
  await query('delete from ms_flow');
  await query('truncate ms_event, ms_component, kr_watcher');
});

const query = async <Row = Record<string, string>>(text: string, values: unknown[] = []) =>
  (await database.db.pool.query(text, values)).rows as Row[];
const define = (flow = 'x', program = 'crm.upsert', rest = {}) =>
  makeRegistrar({ db: database.db, wake: () => {} }).flows.define(
    { tenant: 'local', flow },
    { id: flow, ...rest, steps: [{ id: 'a', program }] },
  );
const addComponent = (isGlobal = false, status = 'inactive') =>
  query(
    `insert into ms_component (component_id, kind, is_global, status, settings)
     values ('crm', 'http', $1, $2, '{"address": "http://crm.example"}')`,
    [isGlobal, status],
  );
const failures: unknown[] = [];
const look = (db: Database = database.db): Promise<Reconciled> =>
  reconcile({
    db,
    startTimeout: START_TIMEOUT,
    findTrouble: async () => trouble,
    onFailed: (_, error) => failures.push(error),
  });
const lifeCycleOf = (db: Database) => makeLifeCycle(db, () => {});
const statusOf = async (flow = 'x') =>
  (await query('select status from ms_flow where task_id = $1', [flow]))[0]?.['status'];
const events = async () =>
  (await query('select name from ms_event order by event_id')).map(({ name }) => name);
const lifeEvents = async () => (await events()).filter((name) => name?.startsWith('flow.'));
const grow = (seconds: number) =>
  query(
    `update ms_flow set status_ts = status_ts - $1 * interval '1 second' where status in ('starting', 'stopping')`,
    [seconds],
  );

describe('a flow', () => {
  it('starts: starting with the whole flow in the same transaction, then active', async () => {
    await define('x', 'empty', { name: 'X', cron: '0 * * * *' });
    const { start } = lifeCycleOf(database.db);
    expect(await start(viewer, 'x')).toEqual({ id: 'x', status: 'starting' });
    const [starting] = await query<{ payload: object; tenant: string }>(
      `select payload, tenant from ms_event where name = 'flow.starting'`,
    );
    expect(starting).toMatchObject({
      tenant: 'local',
      payload: {
        id: 'x',
        name: 'X',
        cron: '0 * * * *',
        status: 'starting',
        startedBy: 'ann',
        graph: { nodes: [{ id: 'a' }] },
      },
    });
    expect(await query('select due_execution from ms_schedule')).toHaveLength(1);
    expect(await look()).toEqual({ moved: 1, waiting: 0 });
    expect(await statusOf()).toBe('active');
    expect(await lifeEvents()).toEqual(['flow.starting', 'flow.started']);
    expect(await query('select started_by from ms_flow')).toEqual([{ started_by: 'ann' }]);
  });

  it('stops, from active and from starting', async () => {
    await define('x', 'empty');
    const { start, stop } = lifeCycleOf(database.db);
    await start(viewer, 'x');
    expect(await query('select status from ms_hook')).toEqual([{ status: 'closed' }]);
    expect(await stop(viewer, 'x')).toEqual({ id: 'x', status: 'stopping' });
    expect(await query('select status from ms_hook')).toEqual([]);
    await look();
    expect(await statusOf()).toBe('inactive');
    await start(viewer, 'x');
    await look();
    expect(await query('select status from ms_hook')).toEqual([{ status: 'open' }]);
    await stop(viewer, 'x');
    await look();
    expect(await lifeEvents()).toEqual(
      ['starting', 'stopping', 'stopped', 'starting', 'started', 'stopping', 'stopped'].map(
        (name) => `flow.${name}`,
      ),
    );
  });

  it('answers a repeat with where it stands, and says nothing', async () => {
    await define('x', 'empty');
    const { start, stop } = lifeCycleOf(database.db);
    expect(await stop(viewer, 'x')).toEqual({ id: 'x', status: 'inactive' });
    await start(viewer, 'x');
    expect(await start(viewer, 'x')).toEqual({ id: 'x', status: 'starting' });
    await look();
    expect(await start(viewer, 'x')).toEqual({ id: 'x', status: 'active' });
    await stop(viewer, 'x');
    expect(await stop(viewer, 'x')).toEqual({ id: 'x', status: 'stopping' });
    expect(await start(viewer, 'x')).toEqual({ id: 'x', status: 'stopping' });
    expect(await lifeEvents()).toEqual(['flow.starting', 'flow.started', 'flow.stopping']);
  });

  it('starts once, however many ask at the same time and however many reconcilers look', async () => {
    await define('x', 'empty');
    const { start } = lifeCycleOf(database.db);
    await Promise.all(Array.from({ length: 8 }, () => start(viewer, 'x')));
    await Promise.all(Array.from({ length: 8 }, () => look()));
    expect(await lifeEvents()).toEqual(['flow.starting', 'flow.started']);
  });

  it('that SQL defined wrongly, or nobody sees, does not start', async () => {
    const { start } = lifeCycleOf(database.db);
    await query(
      `insert into ms_task_definition (task_id, task_seq, program, step_id, after) values ('x', 1, 'empty', 'a', '{b}')`,
    );
    await query(`update ms_flow set cron = 'never'`);
    await expect(start(viewer, 'x')).rejects.toMatchObject({
      code: 'FLOW_INVALID',
      details: { problems: [{ path: 'steps[0].after[0]' }, { path: 'cron' }] },
    });
    await expect(start(viewer, 'y')).rejects.toThrow('No flow with this ID found');
    await expect(start({ tenant: 'elsewhere' }, 'x')).rejects.toThrow('No flow with this ID found');
    expect(await events()).toEqual([]);
  });

  it('whose steps are deleted by SQL while it is active ends inactive', async () => {
    await define('x', 'empty');
    await lifeCycleOf(database.db).start(viewer, 'x');
    await look();
    await query('delete from ms_task_definition');
    await look();
    await look();
    expect(await statusOf()).toBe('inactive');
    expect(await query('select 1 from ms_hook')).toEqual([]);
  });
});

describe('a flow with a component of its own', () => {
  it('waits until it is ready', async () => {
    await addComponent();
    await define();
    trouble = 'GET http://crm.example/: answered 503';
    await lifeCycleOf(database.db).start(viewer, 'x');
    expect(await look()).toEqual({ moved: 0, waiting: 1 });
    expect(await statusOf()).toBe('starting');
    trouble = null;
    await look();
    expect(await statusOf()).toBe('active');
    await lifeCycleOf(database.db).stop(viewer, 'x');
    await look();
    expect((await events()).filter((name) => !name?.startsWith('flowrepo'))).toEqual([
      'flow.starting',
      'component.starting',
      'component.started',
      'flow.started',
      'flow.stopping',
      'component.stopping',
      'component.stopped',
      'flow.stopped',
    ]);
  });

  it('fails when that is not ready in time, says why, and ends inactive', async () => {
    await addComponent();
    await define();
    trouble = 'nobody answers';
    await lifeCycleOf(database.db).start(viewer, 'x');
    await grow(59);
    await look();
    expect(await statusOf()).toBe('starting');
    await grow(2);
    await look();
    expect(await statusOf()).toBe('stopping');
    await look();
    expect(await statusOf()).toBe('inactive');
    const told = await query<{ name: string; payload: object }>(
      `select name, payload from ms_event where name like '%.failed' order by event_id`,
    );
    expect(told).toMatchObject([
      { name: 'component.failed', payload: { id: 'crm', flow: 'x', reason: 'nobody answers' } },
      {
        name: 'flow.failed',
        payload: { id: 'x', failures: [{ componentId: 'crm', reason: 'nobody answers' }] },
      },
    ]);
  });

  it('starts with a warning while a global one is down', async () => {
    await addComponent(true);
    await define();
    trouble = 'nobody asks';
    await lifeCycleOf(database.db).start(viewer, 'x');
    await look();
    expect(await statusOf()).toBe('active');
    const [started] = await query<{ payload: object }>(
      `select payload from ms_event where name = 'flow.started'`,
    );
    expect(started?.payload).toMatchObject({
      warnings: [{ componentId: 'crm', reason: expect.stringContaining('start it') }],
    });
    expect(await events()).not.toContain('component.started');
  });

  it('waits for a watcher of its pool that knows its programs, unless none is known', async () => {
    await define('x', 'no.such');
    const { start } = lifeCycleOf(database.db);
    await query(`insert into kr_watcher (name, pool, workers, programs, release, lease_until)
      values ('w', 'default', 1, '{empty}', 'test', now() + interval '1 hour')`);
    await start(viewer, 'x');
    await look();
    expect(await statusOf()).toBe('starting');
    await query(`update kr_watcher set programs = '{empty,no.such}'`);
    await look();
    expect(await statusOf()).toBe('active');
    await define('y', 'no.such', { defaults: { pool: 'nobody' } });
    await start(viewer, 'y');
    await look();
    expect(await statusOf('y')).toBe('active');
  });

  it('does not hold up the others when it is broken', async () => {
    await define('x', 'empty');
    await define('y', 'empty');
    const { start } = lifeCycleOf(database.db);
    await start(viewer, 'x');
    await start(viewer, 'y');
    await query(
      `alter table ms_flow add constraint broken check (task_id <> 'x' or status <> 'active') not valid`,
    );
    try {
      await look();
      expect([await statusOf('x'), await statusOf('y')]).toEqual(['starting', 'active']);
      expect(failures.splice(0)).toHaveLength(1);
    } finally {
      await query('alter table ms_flow drop constraint broken');
    }
  });
});

describe('a global component', () => {
  const statusOfComponent = async () => (await query('select status from ms_component'))[0]?.['status'];
  const { start, stop } = {
    start: () => makeRegistrar({ db: database.db, wake: () => {} }).components.start(viewer, 'crm'),
    stop: () => makeRegistrar({ db: database.db, wake: () => {} }).components.stop(viewer, 'crm'),
  };

  it('is started and stopped by hand, once', async () => {
    await addComponent(true);
    expect(await start()).toEqual({ id: 'crm', status: 'starting' });
    expect(await start()).toEqual({ id: 'crm', status: 'starting' });
    await look();
    expect(await start()).toEqual({ id: 'crm', status: 'active' });
    expect(await stop()).toEqual({ id: 'crm', status: 'stopping' });
    await look();
    expect(await stop()).toEqual({ id: 'crm', status: 'inactive' });
    expect(await events()).toEqual(
      ['starting', 'started', 'stopping', 'stopped'].map((name) => `component.${name}`),
    );
  });

  it('that does not come up in time has failed', async () => {
    await addComponent(true);
    trouble = 'nobody answers';
    await start();
    await look();
    expect(await statusOfComponent()).toBe('starting');
    await query(`update ms_component set status_ts = status_ts - interval '61 s'`);
    await look();
    expect(await statusOfComponent()).toBe('inactive');
    expect(await events()).toEqual(['component.starting', 'component.failed']);
  });

  it('survives the stop of a flow', async () => {
    await addComponent(true, 'active');
    await define();
    await lifeCycleOf(database.db).start(viewer, 'x');
    await look();
    await lifeCycleOf(database.db).stop(viewer, 'x');
    await look();
    expect(await statusOfComponent()).toBe('active');
  });
});

describe('whoever dies, and when', () => {
  type Move =
    | { kind: 'start' | 'stop' | 'look'; crash: Crash }
    | { kind: 'together' }
    | { kind: 'break' | 'mend' | 'grow' };
  const crash = fc.record({
    at: fc.integer({ min: 1, max: 3 }),
    when: fc.constantFrom('before' as const, 'after' as const),
  });
  const move: fc.Arbitrary<Move> = fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('start' as const), crash }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('stop' as const), crash }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('look' as const), crash }) },
    fc.record({ kind: fc.constant('together' as const) }),
    fc.record({ kind: fc.constantFrom('break' as const, 'mend' as const, 'grow' as const) }),
  );

  /** What may follow what, in the words of the events. */
  const FOLLOWS: Record<string, string[]> = {
    '': ['flow.starting'],
    'flow.starting': ['flow.started', 'flow.failed', 'flow.stopping'],
    'flow.started': ['flow.stopping'],
    'flow.failed': ['flow.stopped'],
    'flow.stopping': ['flow.stopped'],
    'flow.stopped': ['flow.starting'],
  };

  async function make(one: Move): Promise<void> {
    const dying = 'crash' in one ? crashing(database.db, one.crash) : database.db;
    const { start, stop } = lifeCycleOf(dying);
    const works = {
      start: () => start(viewer, 'x'),
      stop: () => stop(viewer, 'x'),
      look: () => look(dying),
      together: () => Promise.all([look(), stop(viewer, 'x'), look(), start(viewer, 'x'), look()]),
      break: async () => (trouble = 'broken'),
      mend: async () => (trouble = null),
      grow: () => grow(61),
    };
    await works[one.kind]().catch((error: unknown) => {
      if (!isCrash(error)) throw error;
    });
  }

  it('every start and stop ends at active or inactive, and the events tell of it step by step', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(move, { maxLength: 12 }), async (moves) => {
        await query('truncate ms_event, ms_component');
        await query('delete from ms_flow');
        await addComponent();
        await define();
        trouble = null;
        for (const one of moves) await make(one);
        // Whoever is left looks twice, the second time when the limit is over.
        for (let looks = 0; looks < 4; looks += 1) {
          await look();
          await grow(61);
        }
        const status = await statusOf();
        const told = (await lifeEvents()) as string[];
        for (const [at, name] of told.entries()) expect(FOLLOWS[told[at - 1] ?? '']).toContain(name);
        expect(status).toBe(told.at(-1) === 'flow.started' ? 'active' : 'inactive');
        expect(['flow.started', 'flow.stopped', undefined]).toContain(told.at(-1));
        expect(await query('select status from ms_hook')).toEqual(
          status === 'active' ? [{ status: 'open' }] : [],
        );
        failures.splice(0).forEach((error) => expect(isCrash(error)).toBe(true));
      }),
      { numRuns: 60 },
    );
  });
});
