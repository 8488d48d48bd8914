import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeRegistrar, type Registrar } from '../../../src/registrar/registrar.ts';
import type { RegisterRequest } from '../../../src/registrar/register.ts';
import { createDatabase, servers, type TestDatabase } from '../../support/database.ts';

describe.each(servers())('on $name', ({ server }) => {
  let database: TestDatabase;
  let registrar: Registrar;
  let woken: [string, number][];

  beforeAll(async () => {
    database = await createDatabase({ server });
  });
  afterAll(() => database.drop());
  beforeEach(async () => {
    await query(
      'truncate ms_task_definition, kr_task_stat, kr_flow_stat, ms_flow, ms_flow_version, ms_plan cascade',
    );
    woken = [];
    registrar = makeRegistrar({ db: database.db, wake: (pool, priority) => woken.push([pool, priority]) });
  });

  const query = async (text: string, values: unknown[] = []) =>
    (await database.db.pool.query<Record<string, unknown>>(text, values)).rows;
  const ask = (flow: string, rest: Partial<RegisterRequest> = {}) =>
    registrar.register({ flow, tenant: 'local', trigger: { kind: 'test' }, ...rest });
  const defineChain = (flow: string) =>
    query(
      `insert into ms_task_definition (task_id, task_seq, program, task_priority, param1_key, param1_value, param2_key) values
         ($1, 10, 'B', 1, 'SLEEP', '3', 'EMPTY'), ($1, 2.5, 'A', 0, null, null, null), ($1, 30, 'C', 0, null, 'ignored', null)`,
      [flow],
    );

  it('writes the rows of the contract, in order of task_seq', async () => {
    await defineChain('load');
    const { id, outcome } = await ask('load');
    expect(outcome).toBe('registered');
    const rows = await query(
      `select task_exec_seq::text exec, depends_task_exec_seq::text dep, task_id, task_seq::text seq, exec_status::text status,
         task_priority::text priority, parameters, started_ts, finished_ts, suspended_ts from kr_task_stat
       where task_flow_id = $1 order by task_exec_seq`,
      [id],
    );
    const same = { task_id: 'load', status: '0', started_ts: null, finished_ts: null, suspended_ts: null };
    expect(rows).toEqual([
      { ...same, exec: '1', dep: '-1', seq: '2.5', priority: '0', parameters: {} },
      { ...same, exec: '2', dep: '1', seq: '10', priority: '1', parameters: { SLEEP: '3', EMPTY: '' } },
      { ...same, exec: '3', dep: '2', seq: '30', priority: '0', parameters: {} },
    ]);
    const times = await query('select distinct registered_ts from kr_task_stat where task_flow_id = $1', [
      id,
    ]);
    expect(times).toEqual([{ registered_ts: expect.any(Date) }]);
  });

  it('makes two executions of two calls', async () => {
    await defineChain('load');
    const [first, second] = await Promise.all([ask('load'), ask('load')]);
    expect(first.id).not.toBe(second.id);
    expect(await query('select task_flow_id from kr_flow_stat')).toHaveLength(2);
  });

  it('gives the first execution to a second call with the same key, in one statement or in two', async () => {
    await defineChain('load');
    const [first, second] = await Promise.all([
      ask('load', { idempotencyKey: 'k' }),
      ask('load', { idempotencyKey: 'k' }),
    ]);
    const third = await ask('load', { idempotencyKey: 'k' });
    expect([first.outcome, second.outcome, third.outcome].toSorted()).toEqual([
      'existing',
      'existing',
      'registered',
    ]);
    expect(new Set([first.id, second.id, third.id]).size).toBe(1);
    expect(await query('select 1 from kr_task_stat')).toHaveLength(3);
  });

  it('sees a definition that was changed by SQL just before the call', async () => {
    await defineChain('load');
    await ask('load');
    await query(`delete from ms_task_definition where task_seq = 30`);
    const { id } = await ask('load');
    expect(await query('select 1 from kr_task_stat where task_flow_id = $1', [id])).toHaveLength(2);
    await query('delete from ms_task_definition');
    await expect(ask('load')).rejects.toMatchObject({ code: 'FLOW_NOT_FOUND' });
  });

  it('overrides parameters where a step has the key, and the priority everywhere', async () => {
    await defineChain('load');
    const { id } = await ask('load', {
      params: { SLEEP: { any: ['json'] } },
      priority: -20,
      input: { a: 1 },
    });
    const rows = await query(
      'select task_priority::int priority, parameters from kr_task_stat where task_flow_id = $1 order by task_exec_seq',
      [id],
    );
    expect(rows).toEqual([
      { priority: -20, parameters: {} },
      { priority: -20, parameters: { SLEEP: { any: ['json'] }, EMPTY: '' } },
      { priority: -20, parameters: {} },
    ]);
    expect(await query('select input, trigger from kr_flow_stat where task_flow_id = $1', [id])).toEqual([
      { input: { a: 1 }, trigger: { kind: 'test' } },
    ]);
    expect(woken).toEqual([['default', -20]]);
  });

  it('lets neither an unknown, an invalid nor a refused request harm the others that come with it', async () => {
    await defineChain('load');
    await query(
      `insert into ms_task_definition (task_id, task_seq, program, step_id, after) values
         ('circle', 1, 'A', 'a', '{b}'), ('circle', 2, 'B', 'b', '{a}')`,
    );
    await ask('load');
    const settled = await Promise.allSettled([
      ask('load'),
      ask('nope'),
      ask('circle'),
      ask('load', { input: 'a \0 that Postgres refuses' }),
      ask('load', { params: { NOPE: 1 } }),
      ask('load'),
    ]);
    expect(settled.map((one) => (one.status === 'fulfilled' ? one.value.outcome : one.reason.code))).toEqual([
      'registered',
      'FLOW_NOT_FOUND',
      'DEFINITION_INVALID',
      'BODY_INVALID',
      'BODY_INVALID',
      'registered',
    ]);
    expect(await query('select distinct task_id from kr_task_stat')).toEqual([{ task_id: 'load' }]);
    expect(await query('select 1 from kr_flow_stat')).toHaveLength(3);
  });

  it('gives an execution the deadline of its flow, unless the caller says another, or none', async () => {
    await defineChain('load');
    await query(`update ms_flow set settings = '{"deadline": "1h"}' where task_id = 'load'`);
    await ask('load');
    await ask('load', { timeout: 60_000 });
    await ask('load', { timeout: 0 });
    const rows = await query(
      'select extract(epoch from deadline_ts - registered_ts)::int left from kr_flow_stat order by registered_ts',
    );
    expect(rows.map(({ left }) => left)).toEqual([3600, 60, null]);
  });

  it('keeps apart what many concurrent callers ask for', async () => {
    for (const flow of ['a', 'b', 'c']) await defineChain(flow);
    const asked = Array.from({ length: 600 }, (_, at) => ({ flow: 'abc'[at % 3] ?? '', input: at }));
    const answers = await Promise.all(asked.map(({ flow, input }) => ask(flow, { input })));
    const rows = await query('select task_flow_id, task_id, input from kr_flow_stat');
    const stored = new Map(
      rows.map((row) => [row['task_flow_id'], { flow: row['task_id'], input: row['input'] }]),
    );
    expect(answers.map(({ id }) => stored.get(id))).toEqual(asked);
    expect(await query('select 1 from kr_task_stat')).toHaveLength(1800);
  });
});
