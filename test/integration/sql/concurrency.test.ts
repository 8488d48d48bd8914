// Many connections at once: every task runs exactly once, and nothing goes wrong but deadlocks that are tried again.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { advance, HEAD } from '../../../src/sql/advance.ts';
import { openDatabase, type Database } from '../../../src/sql/database.ts';
import { isRetryable } from '../../../src/sql/failures.ts';
import { createDatabase, servers, type TestDatabase } from '../../support/database.ts';
import { inTransaction, untilBlocked } from '../../support/hands.ts';
import { readExecution, readStatuses, readTasks } from '../../support/rows.ts';
import {
  finished,
  FURTHER_ON,
  joinWatcher,
  planFlow,
  registerMany,
  registerOne,
  runAll,
  type TestWatcher,
} from '../../support/runs.ts';
import { makeSteps } from '../../support/steps.ts';

const names = (prefix: string) => Array.from({ length: 20 }, (_, n) => `${prefix}${n}`);
const each = (keys: string[], after: string[]) => Object.fromEntries(keys.map((key) => [key, after]));
const fan = { a: [], ...each(names('m'), ['a']), z: names('m') };
const layers = {
  ...each(names('p'), []),
  ...Object.fromEntries(names('q').map((key, n) => [key, [0, 7, 13].map((by) => `p${(n + by) % 20}`)])),
};

/** Repeats the work while it loses deadlocks; counts them. */
async function untilDone<T>(work: () => Promise<T>, onDeadlock: () => void = () => undefined): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isRetryable(error)) throw error;
      onDeadlock();
    }
  }
}

describe.each(servers())('on $name', ({ server }) => {
  let database: TestDatabase;
  let db: Database;
  beforeAll(async () => {
    database = await createDatabase({ server });
    db = openDatabase({ url: database.url, max: 16 });
  });
  afterAll(async () => {
    await db.close();
    await database.drop();
  });

  const planIn = (pool: string, after: Record<string, string[]>) =>
    planFlow(
      db,
      makeSteps(after).map((step) => ({ ...step, pool })),
    );
  const succeeded = async (pool: string) => {
    const { rows } = await db.pool.query<{ flow_status: string; active: number; count: number }>(
      `select k.flow_status, k.active, count(*)::int from kr_flow_stat k
       where k.task_flow_id in (select t.task_flow_id from kr_task_stat t where t.pool = $1) group by 1, 2`,
      [pool],
    );
    return rows;
  };

  /** Works until nothing is open any more; in small batches, so that many watchers share each execution. */
  async function work(watcher: TestWatcher, isOver: () => boolean, ran: string[], batch = 7): Promise<void> {
    let { claimed } = await untilDone(() => watcher.call({ want: batch }));
    while (!isOver()) {
      ran.push(...claimed.map(({ flow, seq, attempt }) => `${flow}/${seq}/${attempt}`));
      const ended = claimed.map((task) => finished(task));
      const from = ran.length % 2 ? HEAD : FURTHER_ON;
      ({ claimed } = await untilDone(() => watcher.call({ ended, want: batch, from })));
    }
  }

  test.each([
    ['fans of 1 to 20 to 1', fan, 60],
    ['layers of 20 to 20', layers, 30],
  ])('eight watchers run %s, every task exactly once', async (_, after, executions) => {
    const pool = randomUUID();
    await registerMany(db, await planIn(pool, after), executions);
    const total = executions * Object.keys(after).length;
    const ran: string[] = [];
    const watchers = await Promise.all(Array.from({ length: 8 }, () => joinWatcher(db, pool)));
    await Promise.all(watchers.map((watcher) => work(watcher, () => ran.length >= total, ran)));
    expect(ran).toHaveLength(total);
    expect(new Set(ran).size).toBe(total);
    const leftover = await joinWatcher(db, pool);
    expect((await leftover.call()).claimed).toEqual([]);
  });

  test('all executions have succeeded and their counts are 0 once the last answers are in', async () => {
    const pool = randomUUID();
    const ids = await registerMany(db, await planIn(pool, fan), 30);
    const watchers = await Promise.all(Array.from({ length: 8 }, () => joinWatcher(db, pool)));
    const runs = watchers.map(async (watcher) => {
      let idle = 0;
      for (let ended: ReturnType<typeof finished>[] = []; idle < 30;) {
        const { claimed, late } = await untilDone(() => watcher.call({ ended, want: 5 }));
        expect(late).toEqual([]);
        idle = claimed.length === 0 ? idle + 1 : 0;
        ended = claimed.map((task) => finished(task));
      }
    });
    await Promise.all(runs);
    await runAll(watchers[0]!);
    expect(await succeeded(pool)).toEqual([{ flow_status: 'success', active: 0, count: 30 }]);
    expect(new Set(await readStatuses(db, ids[29]!))).toEqual(new Set([3]));
  });

  test('operators edit rows while four watchers run them, and every execution still comes to its end', async () => {
    const pool = randomUUID();
    const ids = await registerMany(db, await planIn(pool, fan), 24);
    const watchers = await Promise.all(Array.from({ length: 4 }, () => joinWatcher(db, pool)));
    let over = false;
    const ran: string[] = [];
    const workers = watchers.map((watcher) => work(watcher, () => over, ran));
    const statements = [
      'update kr_task_stat set exec_status = 0 where task_flow_id = $1 and task_exec_seq = 1',
      'update kr_task_stat set exec_status = 9 where task_flow_id = $1 and task_exec_seq between 5 and 8',
      'update kr_task_stat set exec_status = 0 where task_flow_id = $1 and task_exec_seq between 6 and 12',
      'delete from kr_task_stat where task_flow_id = $1 and task_exec_seq = 3',
      'update kr_task_stat set exec_status = 2 where task_flow_id = $1 and task_exec_seq = 20',
      'update kr_task_stat set task_priority = -1 where task_flow_id = $1 and task_exec_seq > 10',
      'update kr_task_stat set exec_status = 0 where task_flow_id = $1 and task_exec_seq = 20',
    ];
    await Promise.all(
      ids.map(async (id) => {
        for (const statement of statements) await untilDone(() => db.pool.query(statement, [id]));
      }),
    );
    over = true;
    await Promise.all(workers);
    // What the workers took with their last call and never answered goes back.
    for (const watcher of watchers)
      await db.pool.query('select umbel_return_strays_v1($1, $2, $3, 9223372036854775807)', [
        watcher.id,
        [],
        [],
      ]);
    await runAll(await joinWatcher(db, pool));
    const { rows } = await db.pool.query(
      'select distinct exec_status, waiting_on, ready from kr_task_stat where pool = $1 order by 1',
      [pool],
    );
    expect(rows).toEqual([
      { exec_status: '3', waiting_on: 0, ready: false },
      { exec_status: '9', waiting_on: 0, ready: false },
    ]);
    expect(await succeeded(pool)).toEqual([{ flow_status: 'success', active: 0, count: 24 }]);
    expect(new Set(ran).size).toBe(ran.length);
  });

  test('a call that loses a deadlock changed nothing and works when made again', async () => {
    const pool = randomUUID();
    const id = await registerOne(db, await planIn(pool, { c: ['a'], a: [] }));
    const watcher = await joinWatcher(db, pool);
    const { claimed } = await watcher.call();
    const calls: Promise<unknown>[] = [];
    let deadlocks = 0;
    const settle = () =>
      advance(db, { ...quiet(watcher.id, pool), ended: claimed.map((task) => finished(task)) });
    const edit = untilDone(
      () =>
        inTransaction(db.pool, async (tx) => {
          await tx.query(
            'select from kr_task_stat where task_flow_id = $1 and task_exec_seq = 1 for update',
            [id],
          );
          calls[0] ??= untilDone(settle, () => deadlocks++);
          await untilBlocked(database);
          await tx.query(
            'select from kr_task_stat where task_flow_id = $1 and task_exec_seq = 2 for update',
            [id],
          );
        }),
      () => deadlocks++,
    );
    await edit;
    await Promise.all(calls);
    expect(deadlocks).toBeGreaterThanOrEqual(1);
    expect((await readTasks(db, id)).map(({ status, ready }) => [status, ready])).toEqual([
      [0, true],
      [3, false],
    ]);
    expect(await readExecution(db, id)).toMatchObject({ status: 'open', active: 1 });
  });
});

function quiet(watcher: number, pool: string) {
  return {
    watcher,
    pool,
    slots: 0,
    want: 0,
    most: 0,
    urgent: 19,
    from: HEAD,
    claim: 999,
    closed: [],
    ended: [],
  };
}
