import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BATCH, pruneExecutions, type PruneOptions } from '../../../src/sql/prune.ts';
import { createDatabase, servers, type TestDatabase } from '../../support/database.ts';

describe.each(servers())('on $name', ({ server }) => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase({ server });
  });
  afterAll(() => database.drop());
  beforeEach(() => query('truncate kr_task_stat, kr_flow_stat, kr_claim'));

  const query = async (text: string, values: unknown[] = []) =>
    (await database.db.pool.query<Record<string, unknown>>(text, values)).rows;
  const prune = (rest: Partial<PruneOptions> = {}) =>
    pruneExecutions(database.db, { olderThan: 86_400_000, flow: null, restShare: 0, ...rest });
  const left = async () =>
    (await query('select task_flow_id id from kr_flow_stat order by 1')).map(({ id }) => id);
  const tasksOf = async (id: string) =>
    (await query('select 1 from kr_task_stat where task_flow_id = $1', [id])).length;

  /** An execution as the engine leaves it, ended `daysAgo`; its last task stands as given. */
  const addEnded = (
    id: string,
    daysAgo: number,
    rest: { tasks?: number; status?: string; last?: string; place?: number; flow?: string } = {},
  ) => {
    const { tasks = 2, status = 'success', last = `3, null`, place = null, flow = 'f' } = rest;
    return query(
      `with e as (
         insert into kr_flow_stat (task_flow_id, task_id, flow_status, place, registered_ts, finished_ts)
         values ($1, $5, $3, $4, now() - ($2::float8 + 1) * interval '1 day', case when $3 <> 'open' then now() - $2::float8 * interval '1 day' end))
       insert into kr_task_stat (task_flow_id, task_exec_seq, depends_task_exec_seq, task_id, task_seq, exec_status, reason, parameters, depends, releases, waiting_on, live)
       select $1, n, n - 1, $5, n, s.status, s.reason, '{}', '{}', '{}', 0, 1
       from generate_series(1, ${tasks}) n, lateral (select 3, null where n < ${tasks} union all select ${last} where n = ${tasks}) s(status, reason)`,
      [id, daysAgo, status, place, flow],
    );
  };

  it('deletes what ended long ago, however it ended, and keeps the rest', async () => {
    await addEnded('old-success', 3);
    await addEnded('old-failed', 3, { status: 'failed', last: `2, 'failed'` });
    await addEnded('old-aborted', 3, { status: 'aborted', last: `9, 'aborted'` });
    await addEnded('young', 0.5);
    await addEnded('open', 3, { status: 'open', last: '0, null' });
    expect(await prune()).toEqual({ executions: 3, tasks: 6 });
    expect(await left()).toEqual(['open', 'young']);
    expect([await tasksOf('open'), await tasksOf('young'), await tasksOf('old-failed')]).toEqual([2, 2, 0]);
  });

  it('goes by the end, not by the beginning', async () => {
    await addEnded('long', 0.5);
    await query(`update kr_flow_stat set registered_ts = now() - interval '30 days'`);
    expect(await prune()).toEqual({ executions: 0, tasks: 0 });
  });

  it('deletes those of one flow when asked to', async () => {
    await addEnded('a', 3, { flow: 'f' });
    await addEnded('b', 3, { flow: 'g' });
    expect(await prune({ flow: 'g' })).toEqual({ executions: 1, tasks: 2 });
    expect(await left()).toEqual(['a']);
  });

  it('keeps a failed execution that keeps its place of a flow with max_running', async () => {
    await addEnded('blocking', 3, { status: 'failed', last: `2, 'failed'`, place: 1 });
    await addEnded('gone', 3, { place: 2 });
    await prune();
    expect(await left()).toEqual(['blocking']);
  });

  it('says beforehand what it would delete', async () => {
    for (let i = 0; i < 5; i += 1) await addEnded(`e${i}`, 3, { tasks: i + 1 });
    expect(await prune({ dryRun: true })).toEqual({ executions: 5, tasks: 15 });
    expect(await left()).toHaveLength(5);
    expect(await prune()).toEqual({ executions: 5, tasks: 15 });
  });

  it('goes on batch by batch, past an execution larger than a batch and past those that must stay', async () => {
    await query(
      `insert into kr_flow_stat (task_flow_id, task_id, flow_status, registered_ts, finished_ts)
       select 'x' || n, 'f', case when n % 3 = 0 then 'open' else 'success' end, now() - interval '9 days' + n * interval '1 second',
         case when n % 3 > 0 then now() - interval '3 days' end from generate_series(1, $1::int) n`,
      [BATCH.executions * 3],
    );
    await query(
      `insert into kr_task_stat (task_flow_id, task_exec_seq, depends_task_exec_seq, task_id, task_seq, exec_status, parameters, waiting_on, live)
       select f.task_flow_id, n, -1, 'f', n, 3, '{}', 0, 1 from kr_flow_stat f, generate_series(1, 2) n`,
    );
    await addEnded('large', 8, { tasks: BATCH.tasks * 2 + 1 });
    const executions = BATCH.executions * 2;
    const all = { executions: executions + 1, tasks: executions * 2 + BATCH.tasks * 2 + 1 };
    expect(await prune({ dryRun: true })).toEqual(all);
    expect(await prune()).toEqual(all);
    expect(await left()).toHaveLength(BATCH.executions);
    expect(await query('select distinct task_flow_id from kr_task_stat')).toHaveLength(BATCH.executions);
  });

  it('passes over what somebody has locked, and waits for nobody', async () => {
    await addEnded('edited', 3, { status: 'failed', last: `2, 'failed'` });
    await addEnded('counted', 3);
    await addEnded('free', 3);
    const hand = await database.db.pool.connect();
    await hand.query('begin');
    await hand.query(
      `update kr_task_stat set exec_status = 0 where task_flow_id = 'edited' and task_exec_seq = 2`,
    );
    await hand.query(`select from kr_flow_stat where task_flow_id = 'counted' for update`);
    expect(await prune()).toEqual({ executions: 1, tasks: 2 });
    await hand.query('commit');
    hand.release();
    expect(await left()).toEqual(['counted', 'edited']);
    expect(await query(`select flow_status from kr_flow_stat where task_flow_id = 'edited'`)).toEqual([
      { flow_status: 'open' },
    ]);
    expect(await prune()).toEqual({ executions: 1, tasks: 2 });
  });

  it('deletes each execution once when several prune at a time', async () => {
    for (let i = 0; i < 40; i += 1)
      await addEnded(`e${i}`, 3, { tasks: 3, last: `2, 'failed'`, status: 'failed' });
    const pruned = await Promise.all([prune(), prune(), prune(), prune()]);
    const sum = (of: 'executions' | 'tasks') => pruned.reduce((total, one) => total + one[of], 0);
    expect([sum('executions'), sum('tasks')]).toEqual([40, 120]);
    expect(await query('select 1 from kr_task_stat')).toEqual([]);
  });

  it('still wires what is left when a hand deletes', async () => {
    await addEnded('e', 3, { status: 'open', tasks: 2, last: '0, null' });
    await query(`update kr_task_stat set exec_status = 2, reason = 'failed' where task_exec_seq = 1`);
    await query(`delete from kr_task_stat where task_exec_seq = 1`);
    expect(await query('select ready from kr_task_stat')).toEqual([{ ready: true }]);
  });
});
