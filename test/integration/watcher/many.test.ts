// Eight watchers on one database, 10,000 tasks: the locks and the counters under contention.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { defineProgram } from '../../../src/programs/program.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { defineFlow, makeTestRegistrar, type StepRow } from '../../support/flows.ts';
import { until } from '../../support/service.ts';
import { startWatcher, stopWatchers } from '../../support/watcher.ts';

let database: TestDatabase;
beforeEach(async () => {
  database = await createDatabase();
});
afterEach(async () => {
  await stopWatchers();
  await database.drop();
});

const twenty = Array.from({ length: 20 }, (_, at) => at);
const step = (depends: number[]): StepRow => ({ program: 'count', depends });

/** 1 → 20 → 1: 22 tasks. */
const fan = [step([]), ...twenty.map(() => step([1])), step(twenty.map((at) => at + 2))];
/** 20 → 20, each of the second layer after three of the first: 40 tasks. */
const layers = [
  ...twenty.map(() => step([])),
  ...twenty.map((at) => step([at, at + 1, at + 2].map((one) => (one % 20) + 1))),
];

test('eight watchers run fans and layers, every task once and after its predecessors', async () => {
  const ended = new Map<string, number>();
  let clock = 0;
  const count = defineProgram({
    name: 'count',
    description: 'Counts its runs.',
    run: async ({ idempotencyKey }) => {
      await new Promise((resolve) => setImmediate(resolve));
      if (ended.has(idempotencyKey)) throw new Error(`${idempotencyKey} ran twice`);
      ended.set(idempotencyKey, (clock += 1));
    },
  });
  const { start } = makeTestRegistrar(database.db);
  await defineFlow(database.db, 'fan', fan);
  await defineFlow(database.db, 'layers', layers);
  const watchers = await Promise.all(
    Array.from({ length: 8 }, () =>
      startWatcher(database.url, [count], { pollInterval: 200, lease: 60_000 }),
    ),
  );
  const executions = 164;
  await Promise.all(
    Array.from({ length: executions * 2 }, (_, at) => start(at % 2 === 0 ? 'fan' : 'layers')),
  );
  const ask = async () =>
    (
      await database.db.pool.query<{ flow_status: string; n: number }>(
        'select flow_status, count(*)::int n from kr_flow_stat group by 1',
      )
    ).rows;
  const last = await until(ask, (rows) => rows.every(({ flow_status }) => flow_status !== 'open'), 90);
  expect(last).toEqual([{ flow_status: 'success', n: executions * 2 }]);
  const { rows } = await database.db.pool.query<{ key: string; attempt: number; before: string[] }>(
    `select task_flow_id || ':' || trim_scale(task_exec_seq) as key, attempt,
            array(select task_flow_id || ':' || d from unnest(depends) d) as before
     from kr_task_stat where exec_status = 3`,
  );
  expect(rows.length).toBe(executions * 62);
  expect(ended.size).toBe(rows.length);
  const early = rows.filter(({ key, before }) => before.some((one) => ended.get(one)! > ended.get(key)!));
  expect(early).toEqual([]);
  expect(rows.filter(({ attempt }) => attempt !== 1)).toEqual([]);
  expect(watchers.flatMap(({ logged }) => logged.filter(({ level }) => level >= 40))).toEqual([]);
  const left = await database.db.pool.query('select from kr_flow_stat where active <> 0');
  expect(left.rowCount).toBe(0);
}, 120_000);
