import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeRegistrar, type Registrar } from '../../../src/registrar/registrar.ts';
import { listExecutions } from '../../../src/sql/executions.ts';
import { createDatabase, servers, type TestDatabase } from '../../support/database.ts';

describe.each(servers())('on $name', ({ server }) => {
  let database: TestDatabase;
  let registrar: Registrar;

  beforeAll(async () => {
    database = await createDatabase({ server });
    registrar = makeRegistrar({ db: database.db, wake: () => {} });
  });
  afterAll(() => database.drop());
  beforeEach(async () => {
    await query(
      'truncate ms_task_definition, kr_task_stat, kr_flow_stat, ms_flow, kr_watcher, kr_timer cascade',
    );
    await query(
      `insert into ms_task_definition (task_id, task_seq, program, step_id, depends_task_seq) values
         ('load', 1, 'A', 'first', '{}'), ('load', 2, 'B', 'second', null), ('load', 3, 'C', null, '{1,2}')`,
    );
  });

  const query = async (text: string, values: unknown[] = []) =>
    (await database.db.pool.query<Record<string, unknown>>(text, values)).rows;
  const register = async (flow = 'load', input: string | null = null) =>
    (await registrar.register({ flow, tenant: 'local', input, trigger: { kind: 'test' } })).id;
  const read = (id: string) => registrar.executions.read({ tenant: 'local', id });
  const watch = (pool: string, lease: string) =>
    query(
      `insert into kr_watcher (name, pool, workers, programs, release, lease_until)
       values ('w', $1, 1, '{A,B,C}', '0', now() + $2::interval)`,
      [pool, lease],
    );
  /** As an operator would. */
  const set = (id: string, seq: number, status: number) =>
    query('update kr_task_stat set exec_status = $3 where task_flow_id = $1 and task_exec_seq = $2', [
      id,
      seq,
      status,
    ]);

  it('says what a join waits for, and which end of it', async () => {
    await query(
      `insert into ms_task_definition (task_id, task_seq, program, step_id, after, options) values
         ('joins', 1, 'A', 'a', '{}', null), ('joins', 2, 'A', 'b', '{}', null), ('joins', 3, 'A', 'c', '{}', null),
         ('joins', 4, 'A', 'any', '{a,b,c}', '{"join": "any"}'), ('joins', 5, 'A', 'two', '{a,b,c}', '{"join": {"n": 2}}'),
         ('joins', 6, 'A', 'bad', '{a,b}', '{"edges": {"a": "failed", "b": "always"}}'),
         ('joins', 7, 'A', 'unmet', '{c}', '{"edges": {"c": "failed"}}')`,
    );
    await watch('default', '1 minute');
    const id = await register('joins');
    await set(id, 3, 3);
    const why = Object.fromEntries((await read(id)).tasks.map((task) => [task.step, task.why]));
    expect(why).toMatchObject({
      any: expect.stringMatching(/^waits for a free worker/),
      two: 'waits for one of a (waiting), b (waiting)',
      bad: 'waits for a (waiting) to fail, b (waiting) to end',
      unmet: 'skipped: the steps that it comes after did not end as it takes, or were skipped',
    });
  });

  it('shows an execution with its tasks, and why each does not run', async () => {
    await watch('default', '1 minute');
    const id = await register('load', 'in');
    expect(await read(id)).toMatchObject({
      id,
      flow: 'load',
      tenant: 'local',
      status: 'pending',
      input: 'in',
      trigger: { kind: 'test' },
      registeredAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      startedAt: null,
      finishedAt: null,
      tasks: [
        {
          seq: 1,
          step: 'first',
          program: 'A',
          status: 'wait',
          execStatus: 0,
          why: 'waits for a free worker',
        },
        { seq: 2, step: 'second', program: 'B', status: 'wait', why: 'waits for first (waiting)' },
        {
          seq: 3,
          step: '3',
          program: 'C',
          status: 'wait',
          why: 'waits for first (waiting), second (waiting)',
        },
      ],
    });
  });

  it('is stopped while no live watcher serves its pool', async () => {
    const id = await register();
    await watch('default', '-1 second');
    await watch('other', '1 minute');
    const execution = await read(id);
    expect(execution.status).toBe('stopped');
    expect(execution.tasks[0]?.why).toBe('no live watcher serves the pool "default"');
    await watch('default', '1 minute');
    expect((await read(id)).status).toBe('pending');
  });

  it('is running once a task has ended and another is ready, and a success at the end', async () => {
    await watch('default', '1 minute');
    const id = await register();
    await set(id, 1, 3);
    expect(await read(id)).toMatchObject({
      status: 'running',
      tasks: [{ why: null }, { why: 'waits for a free worker' }, {}],
    });
    await set(id, 2, 9);
    await set(id, 3, 3);
    const ended = await read(id);
    expect(ended).toMatchObject({ status: 'success', finishedAt: expect.any(String) });
    expect(ended.tasks[1]).toMatchObject({ status: 'ignore', reason: 'operator', why: 'set to 9 by hand' });
  });

  it('is waiting when only a hand can move it', async () => {
    const id = await register();
    await set(id, 1, 2);
    expect(await read(id)).toMatchObject({
      status: 'waiting',
      tasks: [{ status: 'suspend', why: 'suspended by hand: set exec_status to 0 to run it' }, {}, {}],
    });
  });

  it('shows the error of the task that failed it', async () => {
    const id = await register();
    const error = { name: 'ProgramError', message: 'no such host' };
    await query(
      `update kr_task_stat set exec_status = 2, reason = 'failed', error = $2 where task_flow_id = $1 and task_exec_seq = 1`,
      [id, error],
    );
    expect(await read(id)).toMatchObject({
      status: 'failed',
      error,
      tasks: [{ error, why: 'failed: no such host' }, { why: 'waits for first (failed)' }, {}],
    });
    expect((await registrar.executions.list({ tenant: 'local' })).data[0]).toMatchObject({
      status: 'failed',
      error,
    });
  });

  it('stands in line when its flow may run only so many', async () => {
    await query(`update ms_flow set max_running = 1 where task_id = 'load'`);
    const ids = [await register(), await register()];
    expect((await read(ids[1]!)).status).toBe('stopped');
    await watch('default', '1 minute');
    const second = await read(ids[1]!);
    expect(second.status).toBe('pending');
    expect(second.tasks[0]?.why).toBe(
      `waits for a place of the flow "load" (max_running), held by ${ids[0]}`,
    );
    await set(ids[0]!, 1, 9);
    await set(ids[0]!, 2, 9);
    await set(ids[0]!, 3, 9);
    expect((await read(ids[1]!)).tasks[0]?.why).toBe('is about to get a place of its flow (max_running)');
  });

  it('says how many ready tasks come first, and counts no further than a thousand', async () => {
    await watch('default', '1 minute');
    await query(
      `insert into ms_task_definition (task_id, task_seq, program, task_priority) values ('urgent', 1, 'A', -5)`,
    );
    const first = (id: string) => read(id).then(({ tasks }) => tasks[0]?.why);
    const [one, two] = [await register(), await register()];
    expect(await first(one)).toBe('waits for a free worker');
    expect(await first(two)).toBe('waits for a free worker: 1 ready task comes first');
    await register('urgent');
    expect(await first(one)).toBe('waits for a free worker: 1 ready task comes first');
    expect(await first(two)).toBe('waits for a free worker: 2 ready tasks come first');
    await query(
      `insert into kr_task_stat (task_flow_id, task_exec_seq, depends_task_exec_seq, task_id, task_seq, exec_status, task_priority, parameters)
       select 'many', n, -1, 'load', 1, 0, -20, '{}' from generate_series(1, 1500) n`,
    );
    expect(await first(two)).toBe('waits for a free worker: 1000 or more ready tasks come first');
    const { tasks } = await read('many');
    expect(tasks[1497]?.why).toBe('waits for a free worker: 2 ready tasks come first');
  });

  it('says that nobody knows the program', async () => {
    await watch('default', '1 minute');
    await query(`update kr_watcher set programs = '{B}'`);
    expect((await read(await register())).tasks[0]?.why).toBe(
      'no live watcher of the pool "default" knows the program "A"',
    );
  });

  it('names a few of many predecessors', async () => {
    await query(
      `insert into ms_task_definition (task_id, task_seq, program, depends_task_seq)
       select 'join', n, 'A', case when n = 9 then '{1,2,3,4,5,6,7,8}'::numeric[] else '{}' end from generate_series(1, 9) n`,
    );
    const id = await register('join');
    await set(id, 2, 3);
    await set(id, 3, 2);
    expect((await read(id)).tasks[8]?.why).toBe(
      'waits for 1 (waiting), 3 (operator), 4 (waiting), 5 (waiting), 6 (waiting) and 2 more',
    );
  });

  it('says when a task is tried again, and until when one sleeps', async () => {
    await watch('default', '1 minute');
    const id = await register();
    const time = (kind: string) =>
      query(
        `with gone as (delete from kr_timer)
         insert into kr_timer (task_flow_id, task_exec_seq, kind, due_ts) values ($1, 1, $2, '2100-01-01Z')`,
        [id, kind],
      );
    await query(
      `update kr_task_stat set ready = false, error = '{"message": "no luck"}', started_ts = now() where task_flow_id = $1 and task_exec_seq = 1`,
      [id],
    );
    await time('retry');
    expect(await read(id)).toMatchObject({
      status: 'waiting',
      tasks: [{ why: 'is tried again at 2100-01-01T00:00:00.000Z: no luck' }, {}, {}],
    });
    await time('sleep');
    expect((await read(id)).tasks[0]?.why).toBe('sleeps until 2100-01-01T00:00:00.000Z');
    await query(`update kr_watcher set lease_until = now()`);
    expect((await read(id)).status).toBe('stopped');
  });

  it('tells paused from held', async () => {
    await watch('default', '1 minute');
    const id = await register();
    await query('update kr_task_stat set hold = true where task_flow_id = $1', [id]);
    expect(await read(id)).toMatchObject({
      status: 'pending',
      tasks: [{ why: 'held by hand: set hold to false to let it go on' }, {}, {}],
    });
    await registrar.control.pause({ tenant: 'local', id });
    expect(await read(id)).toMatchObject({
      status: 'paused',
      tasks: [{ why: 'paused: its execution has to be resumed' }, {}, {}],
    });
    await registrar.control.abort({ tenant: 'local', id });
    expect(await read(id)).toMatchObject({ status: 'aborted', tasks: [{ why: 'aborted' }, {}, {}] });
  });

  it('shows rows that were inserted by hand, with and without a definition', async () => {
    await query(
      `insert into kr_task_stat (task_flow_id, task_exec_seq, depends_task_exec_seq, task_id, task_seq, exec_status, parameters) values
         ('by hand', 1, -1, 'load', 2, 0, '{"a":"b"}'), ('by hand', 2, 1, 'nowhere', 7, 0, '{}')`,
    );
    expect(await read('by hand')).toMatchObject({
      version: null,
      tasks: [
        { step: 'second', program: 'B', params: { a: 'b' } },
        { step: null, program: null, why: 'waits for second (waiting)' },
      ],
    });
  });

  it('does not find what does not exist or is another tenant’s', async () => {
    const id = await register();
    await expect(read('nope')).rejects.toMatchObject({ code: 'EXECUTION_NOT_FOUND', status: 404 });
    await expect(registrar.executions.read({ tenant: 'other', id })).rejects.toMatchObject({
      code: 'EXECUTION_NOT_FOUND',
    });
    expect(await registrar.executions.list({ tenant: 'other' })).toEqual({ data: [] });
  });

  describe('lists', () => {
    it('go from the newest to the oldest, page by page, each execution once, also within one moment', async () => {
      const ids = await Promise.all(Array.from({ length: 7 }, () => register()));
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await registrar.executions.list({ tenant: 'local', limit: 3, cursor });
        expect(page.data.length).toBeLessThanOrEqual(3);
        seen.push(...page.data.map(({ id }) => id));
        cursor = page.cursor;
      } while (cursor !== undefined);
      expect(seen).toEqual(ids.toSorted().toReversed());
    });

    it('take a flow and a status', async () => {
      await query(`insert into ms_task_definition (task_id, task_seq, program) values ('other', 1, 'A')`);
      const [one, two] = [await register('other'), await register('other')];
      await register('load');
      await set(two, 1, 3);
      const list = async (filter: { flow?: string; status?: string }) =>
        (await registrar.executions.list({ tenant: 'local', ...filter })).data.map(({ id }) => id);
      expect(await list({ flow: 'other' })).toEqual([two, one]);
      expect(await list({ flow: 'other', status: 'success' })).toEqual([two]);
      expect(await list({ status: 'stopped' })).toHaveLength(2);
      expect(await list({ flow: 'nope' })).toEqual([]);
    });

    it('take times of registration', async () => {
      const ids = [await register(), await register(), await register()];
      for (const [n, id] of ids.entries())
        await query(
          `update kr_flow_stat set registered_ts = '2026-01-01Z'::timestamptz + $2 * interval '1 day' where task_flow_id = $1`,
          [id, n],
        );
      const rows = await listExecutions(database.db.kysely, {
        tenant: 'local',
        flow: null,
        status: null,
        after: null,
        limit: 9,
        since: new Date('2026-01-02Z'),
        until: new Date('2026-01-03Z'),
      });
      expect(rows.map(({ id }) => id)).toEqual([ids[1]]);
    });

    it('refuse a cursor that none of them gave', async () => {
      const made = Buffer.from('["2026-99-99T00:00:00.000000Z","x"]').toString('base64url');
      for (const cursor of ['x', made, Buffer.from('{}').toString('base64url')]) {
        await expect(registrar.executions.list({ tenant: 'local', cursor })).rejects.toMatchObject({
          code: 'QUERY_INVALID',
        });
      }
    });
  });
});
