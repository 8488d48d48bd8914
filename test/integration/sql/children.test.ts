// The end of an execution beside what a person does to the one that waits for it: whoever comes first, nothing is left waiting for ever.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeControl } from '../../../src/registrar/control.ts';
import type { Claimed } from '../../../src/sql/advance.ts';
import type { Ended } from '../../../src/sql/ended.ts';
import type { Database } from '../../../src/sql/database.ts';
import { isRetryable } from '../../../src/sql/failures.ts';
import { createDatabase, servers, type TestDatabase } from '../../support/database.ts';
import { finished, joinWatcher, planFlow, registerMany, registerOne, runAll } from '../../support/runs.ts';
import { makeSteps } from '../../support/steps.ts';

const CHILDREN = 24;

describe.each(servers())('on $name', ({ server }) => {
  let database: TestDatabase;
  let db: Database;
  beforeAll(async () => {
    database = await createDatabase({ server });
    db = database.db;
  });
  afterAll(() => database.drop());

  const waitingFor = (task: Claimed, child: string): Ended => ({
    ...finished(task),
    status: 'outside',
    reason: 'sub_execution',
    wait: { kind: 'sub_execution', token: child },
  });
  /** As a watcher does: what loses a deadlock changed nothing, and is done again. */
  const surely = async <T>(work: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!isRetryable(error)) throw error;
      }
    }
  };

  test('ends of children, aborts, reruns and skips at once leave no task that waits for what has ended', async () => {
    const flow = await planFlow(db, makeSteps({ a: [] }));
    const watcher = await joinWatcher(db);
    const parents = await registerMany(db, flow, CHILDREN);
    const { claimed } = await watcher.call();
    const children = new Map<string, string>();
    for (const { flow: id, seq } of claimed)
      children.set(id, await registerOne(db, flow, { parent: { id, seq } }));
    await watcher.call({ ended: claimed.map((task) => waitingFor(task, children.get(task.flow)!)), want: 0 });
    const own = (await watcher.call()).claimed;
    expect(own.map(({ flow: id }) => id).toSorted()).toEqual([...children.values()].toSorted());

    const control = makeControl(db);
    const verbs = ['abort', 'rerun', 'skip'] as const;
    await Promise.all([
      ...own.map((task) =>
        surely(() => watcher.call({ ended: [finished(task, '"done"')], want: 0, slots: 0 })),
      ),
      ...parents
        .slice(0, (CHILDREN * 3) / 4)
        .map((id, at) => control[verbs[at % 3]!]({ tenant: 'local', id, step: '1' }).catch(() => {})),
    ]);
    const stuck = await db.pool.query(
      `select t.task_flow_id from kr_task_stat t where t.exec_status = 2 and t.reason = 'sub_execution'`,
    );
    expect(stuck.rows).toEqual([]);
    const open = await db.pool.query(
      `select f.task_flow_id from kr_flow_stat f where f.parent_flow_id is not null and f.finished_ts is null`,
    );
    expect(open.rows).toEqual([]);
    await runAll(watcher);
    const left = await db.pool.query(
      `select flow_status, active from kr_flow_stat where finished_ts is null`,
    );
    expect(left.rows).toEqual([]);
    expect((await db.pool.query('select from kr_wait')).rowCount).toBe(0);
  });
});
