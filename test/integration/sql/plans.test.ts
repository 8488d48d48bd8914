// How the statements find their rows, whatever the planner knows of the tables: by index, and no more rows than they need.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { admitExecutions } from '../../../src/sql/admit.ts';
import { openDatabase, type Database } from '../../../src/sql/database.ts';
import { heartbeat, rescueTasks, returnStrays, returnTasks } from '../../../src/sql/leases.ts';
import { createDatabase, servers, type TestDatabase } from '../../support/database.ts';
import { setStatus } from '../../support/rows.ts';
import { failed, finished, joinWatcher, planFlow, registerMany, runAll } from '../../support/runs.ts';
import { makeSteps } from '../../support/steps.ts';

const HISTORY = 20_000;
const HOT_TABLES = ['kr_task_stat', 'kr_flow_stat', 'ms_plan'];

interface Counters {
  seqScans: number;
  /** Index entries read by primary key of the tasks, and by the claim index. */
  byKey: number;
  byClaim: number;
  updates: number;
  hotUpdates: number;
}

describe.each(servers())('on $name', ({ server }) => {
  let database: TestDatabase;
  /** One connection, so that its counters can be flushed. */
  let db: Database;
  beforeEach(async () => {
    database = await createDatabase({ server });
    db = openDatabase({ url: database.url, max: 1 });
    for (const table of [...HOT_TABLES, 'kr_claim', 'kr_watcher', 'ms_flow'])
      await db.pool.query(`alter table ${table} set (autovacuum_enabled = off)`);
  });
  afterEach(async () => {
    await db.close();
    await database.drop();
  });

  const statements = {
    fill: async () => {
      await db.pool.query(
        `insert into kr_task_stat (task_flow_id, task_exec_seq, depends_task_exec_seq, task_id, task_seq, exec_status, parameters,
           depends, releases, waiting_on, live, finished_ts)
         select 'old ' || n / 10, n % 10, -1, 'old', 1, 3, '{}', '{}', '{}', 0, 1, now() from generate_series(1, $1::int) n`,
        [HISTORY],
      );
      await db.pool.query(
        `insert into kr_flow_stat (task_flow_id, task_id, flow_status) select 'old ' || n, 'old', 'success' from generate_series(0, $1::int) n`,
        [HISTORY / 10],
      );
    },
    analyze: () => db.pool.query('analyze'),
  };
  type Statement = keyof typeof statements;

  async function count(): Promise<Counters> {
    await db.pool.query('select pg_stat_force_next_flush()');
    const { rows } = await database.db.pool.query<Counters>(
      `select sum(seq_scan) filter (where relname = any ($1))::int "seqScans",
         (select idx_tup_read::int from pg_stat_user_indexes where indexrelname = 'kr_task_stat_pkey') "byKey",
         (select idx_tup_read::int from pg_stat_user_indexes where indexrelname = 'kr_task_stat_ready') "byClaim",
         sum(n_tup_upd) filter (where relname = 'kr_task_stat')::int updates,
         sum(n_tup_hot_upd) filter (where relname = 'kr_task_stat')::int "hotUpdates"
       from pg_stat_user_tables`,
      [HOT_TABLES],
    );
    return rows[0]!;
  }

  /** What the work adds to the counters. */
  async function measure(work: () => Promise<unknown>): Promise<Counters> {
    const before = await count();
    await work();
    const after = await count();
    return Object.fromEntries(
      Object.entries(after).map(([key, value]: [string, number]) => [
        key,
        value - before[key as keyof Counters],
      ]),
    ) as unknown as Counters;
  }

  test.each<[string, Statement[]]>([
    ['never analyzed', ['fill']],
    ['analyzed when they were empty', ['analyze', 'fill']],
    ['analyzed since', ['fill', 'analyze']],
  ])('tables that were filled and %s are read by index, never whole', async (_, preparation) => {
    for (const step of preparation) await statements[step]();
    const fan = await planFlow(db, makeSteps({ a: [], b: ['a'], c: ['a'], d: ['b', 'c'] }));
    const single = await planFlow(db, makeSteps({ a: [] }), { maxRunning: 5 });
    const read = await measure(async () => {
      await registerMany(db, fan, 50, { params: { x: 1 } });
      const limited = await registerMany(db, single, 10);
      const watcher = await joinWatcher(db);
      await heartbeat(db, watcher.id, 60_000);
      const { claimed } = await watcher.call({ want: 30, slots: 10 });
      await returnTasks(db, watcher.id, claimed.slice(0, 5), true);
      await watcher.call({ ended: claimed.slice(5, 10).map((task) => failed(task)), want: 20 });
      await returnStrays(db, watcher.id, claimed.slice(10));
      await runAll(watcher, claimed.slice(10));
      await admitExecutions(db, [single.flow]);
      await runAll(watcher);
      await setStatus(db, limited[0]!, 1, 0);
      await db.pool.query('delete from kr_task_stat where task_flow_id = $1', [limited[1]]);
      const doomed = await joinWatcher(db);
      await admitExecutions(db, [single.flow]);
      await doomed.call();
      await db.pool.query('update kr_watcher set lease_until = now() where watcher_id = $1', [doomed.id]);
      expect(await rescueTasks(db, 3)).not.toEqual([]);
    });
    expect(read.seqScans).toBe(0);
    expect(read.byKey).toBeLessThan(HISTORY / 2);
    expect(read.byClaim).toBeGreaterThan(0);
    expect(read.byClaim).toBeLessThan(HISTORY / 4);
  });

  test('finishing and handing over leave the indexes alone; only a claim does not', async () => {
    // So few that their page has room for every version of them: nothing depends on pruning.
    await registerMany(db, await planFlow(db, makeSteps({ a: [], b: ['a'], c: ['b'] })), 3);
    const watcher = await joinWatcher(db);
    const written = await measure(async () => {
      let { claimed } = await watcher.call();
      while (claimed.length > 0)
        ({ claimed } = await watcher.call({
          ended: claimed.map((task) => finished(task)),
          from: { priority: -20, flow: '!' },
        }));
    });
    expect(written.updates).toBe(3 * (1 + 3 + 2));
    expect(written.hotUpdates).toBe(written.updates - 3);
  });

  test('what is handed over costs the claim index nothing', async () => {
    await registerMany(db, await planFlow(db, makeSteps({ a: [], b: ['a'], c: ['b'] })), 20);
    const watcher = await joinWatcher(db);
    const { claimed } = await watcher.call();
    const read = await measure(async () => {
      let ended = claimed.map((task) => finished(task));
      for (let n = 0; n < 2; n++) {
        const answer = await watcher.call({ ended, want: 20, from: { priority: -20, flow: '!' } });
        ended = answer.claimed.map((task) => finished(task));
      }
      expect(ended).toHaveLength(20);
    });
    expect(read.byClaim).toBe(0);
  });
});
