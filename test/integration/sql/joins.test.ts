// Joins and edges by result: what runs, what is skipped and how an execution ends, whoever it is that ends the tasks.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { judgeEdge, type EdgeKind } from '../../../src/dag/edges.ts';
import { ExecStatus, type JsonObject } from '../../../src/dag/vocabulary.ts';
import type { Database } from '../../../src/sql/database.ts';
import { rescueTasks } from '../../../src/sql/leases.ts';
import { createDatabase, servers, type TestDatabase } from '../../support/database.ts';
import { readExecution, readTasks } from '../../support/rows.ts';
import {
  failed,
  finished,
  joinWatcher,
  planFlow,
  registerOne,
  type TestWatcher,
} from '../../support/runs.ts';
import { makeSteps } from '../../support/steps.ts';

type Ends = Record<string, 'failed' | 'skipped' | 'allowed_failure' | { goto: string }>;

describe.each(servers())('on $name', ({ server }) => {
  let database: TestDatabase;
  let db: Database;
  let watcher: TestWatcher;
  beforeAll(async () => {
    database = await createDatabase({ server });
    db = database.db;
  });
  afterAll(() => database.drop());
  beforeEach(async () => {
    await db.pool.query('truncate kr_task_stat');
    watcher = await joinWatcher(db);
  });

  /** Steps with what they wait for and their options; returns the names by exec seq besides the id. */
  async function start(graph: Record<string, [after: string[], options?: JsonObject]>) {
    const names = Object.keys(graph);
    const steps = makeSteps(Object.fromEntries(names.map((name) => [name, graph[name]![0]])));
    const withOptions = steps.map((step) => ({ ...step, options: graph[step.id!]![1] ?? null }));
    const planned = await planFlow(db, withOptions);
    const wireOn: number[] = planned.plan.map((task) => task.wireOn);
    return { id: await registerOne(db, planned), names, wireOn };
  }
  type Started = Awaited<ReturnType<typeof start>>;

  /** Ends whatever runs, one task after the other in the order of `names`, until nothing is left. */
  async function play({ names, wireOn }: Started, ends: Ends = {}): Promise<void> {
    const held = (await watcher.call()).claimed;
    for (let task = held.shift(); task !== undefined; task = held.shift()) {
      const at = Number(task.seq) - 1;
      const end = ends[names[at]!];
      const chosen = typeof end === 'object' ? [`${names.indexOf(end.goto) + 1}`] : null;
      const ended =
        end === undefined
          ? finished(task)
          : end === 'failed'
            ? failed(task)
            : {
                ...failed(task),
                status: 'ignored' as const,
                reason: chosen ? 'caught' : (end as string),
                chosen,
              };
      held.push(...(await watcher.call({ ended: [{ ...ended, wireOn: wireOn[at]! }] })).claimed);
      held.sort((a, b) => Number(a.seq) - Number(b.seq));
    }
  }

  async function stand({ id, names }: Started) {
    const tasks = await readTasks(db, id);
    const status = (await readExecution(db, id))?.status;
    const stands = tasks.map(({ status, reason }, at) => [names[at], reason ?? status]);
    return { ...(Object.fromEntries(stands) as Record<string, unknown>), execution: status };
  }

  async function outcomeOf(graph: Parameters<typeof start>[0], ends: Ends = {}) {
    const started = await start(graph);
    await play(started, ends);
    return stand(started);
  }

  describe('an edge', () => {
    const graph = {
      a: [[]],
      good: [['a']],
      bad: [['a'], { edges: { a: 'failed' } }],
      both: [['a'], { edges: { a: 'always' } }],
    } satisfies Parameters<typeof start>[0];

    test('succeeded and always are met by a success, failed is not', async () => {
      expect(await outcomeOf(graph)).toEqual({
        a: 3,
        good: 3,
        bad: 'skipped',
        both: 3,
        execution: 'success',
      });
    });

    test('failed and always are met by a failure, which is then handled', async () => {
      expect(await outcomeOf(graph, { a: 'failed' })).toEqual({
        a: 'handled',
        good: 'skipped',
        bad: 3,
        both: 3,
        execution: 'success',
      });
    });

    test('all are met by a failure that is allowed', async () => {
      expect(await outcomeOf(graph, { a: 'allowed_failure' })).toEqual({
        a: 'allowed_failure',
        good: 3,
        bad: 3,
        both: 3,
        execution: 'success',
      });
    });

    test('none is met by a skip', async () => {
      expect(await outcomeOf(graph, { a: 'skipped' })).toMatchObject({
        good: 'skipped',
        bad: 'skipped',
        both: 'skipped',
        execution: 'success',
      });
    });

    test('leaves the error of a failure that it took readable', async () => {
      const started = await start(graph);
      await play(started, { a: 'failed' });
      const [a] = await readTasks(db, started.id);
      expect(a).toMatchObject({ status: 9, error: { message: 'no luck' } });
    });
  });

  test('a failure that nobody takes leaves the execution failed, and what depends on it waiting', async () => {
    expect(await outcomeOf({ a: [[]], b: [['a']], c: [[]] }, { a: 'failed' })).toEqual({
      a: 'failed',
      b: 0,
      c: 3,
      execution: 'failed',
    });
  });

  test('a failure whose handler is skipped stays a failure, whichever comes first', async () => {
    const handler: [string[], JsonObject] = [['a', 'b'], { edges: { a: 'failed', b: 'failed' } }];
    const stands = { a: 'failed', b: 3, h: 'skipped', execution: 'failed' };
    expect(await outcomeOf({ a: [[]], b: [[]], h: handler }, { a: 'failed' })).toEqual(stands);
    expect(await outcomeOf({ b: [[]], a: [[]], h: handler }, { a: 'failed' })).toEqual(stands);
    expect(await outcomeOf({ a: [[]], b: [[]], h: handler }, { a: 'failed', b: 'failed' })).toEqual({
      a: 'handled',
      b: 'handled',
      h: 3,
      execution: 'success',
    });
  });

  describe('a join', () => {
    const three: Parameters<typeof start>[0] = { a: [[]], b: [[]], c: [[]] };

    test('any runs once, after the first, and takes no notice of the others', async () => {
      const started = await start({ ...three, j: [['a', 'b', 'c'], { join: 'any' }] });
      const { claimed } = await watcher.call();
      const next = await watcher.call({ ended: [finished(claimed[0]!)] });
      expect(next.claimed).toMatchObject([{ seq: '4' }]);
      const last = await watcher.call({
        ended: [claimed[1]!, claimed[2]!, next.claimed[0]!].map((t) => finished(t)),
      });
      expect(last.claimed).toEqual([]);
      expect(await stand(started)).toEqual({ a: 3, b: 3, c: 3, j: 3, execution: 'success' });
    });

    test('any stays ready when another comes before anybody took it', async () => {
      await start({ a: [[]], b: [[]], j: [['a', 'b'], { join: 'any' }] });
      const { claimed } = await watcher.call();
      for (const task of claimed) await watcher.call({ ended: [finished(task)], want: 0 });
      expect((await watcher.call()).claimed).toMatchObject([{ seq: '3' }]);
    });

    test('any is not met by a skip, and skipped when none can come', async () => {
      const graph = { ...three, j: [['a', 'b', 'c'], { join: 'any' }] } as typeof three;
      expect(await outcomeOf(graph, { a: 'skipped', b: 'skipped' })).toMatchObject({ j: 3 });
      expect(await outcomeOf(graph, { a: 'skipped', b: 'skipped', c: 'skipped' })).toMatchObject({
        j: 'skipped',
        execution: 'success',
      });
    });

    test('n waits for so many, and is skipped as soon as they cannot come', async () => {
      const graph = { ...three, j: [['a', 'b', 'c'], { join: { n: 2 } }] } as typeof three;
      expect(await outcomeOf(graph, { b: 'skipped' })).toMatchObject({ j: 3, execution: 'success' });
      expect(await outcomeOf(graph, { b: 'skipped', c: 'skipped' })).toMatchObject({ j: 'skipped' });
    });

    test('allDone runs when all have ended, however; skips alone skip it', async () => {
      const graph = { ...three, j: [['a', 'b', 'c'], { join: 'allDone' }] } as typeof three;
      expect(await outcomeOf(graph, { a: 'failed', b: 'skipped' })).toEqual({
        a: 'handled',
        b: 'skipped',
        c: 3,
        j: 3,
        execution: 'success',
      });
      expect(await outcomeOf(graph, { a: 'skipped', b: 'skipped', c: 'skipped' })).toMatchObject({
        j: 'skipped',
      });
    });

    test('all with a predecessor that ended otherwise is skipped, and that spreads', async () => {
      const graph: typeof three = {
        a: [[]],
        undo: [['a'], { edges: { a: 'failed' } }],
        j: [['a', 'undo']],
        after: [['j']],
        end: [['after', 'a']],
      };
      expect(await outcomeOf(graph)).toEqual({
        a: 3,
        undo: 'skipped',
        j: 3,
        after: 3,
        end: 3,
        execution: 'success',
      });
      expect(await outcomeOf(graph, { a: 'failed' })).toEqual({
        a: 'handled',
        undo: 3,
        j: 'skipped',
        after: 'skipped',
        end: 'skipped',
        execution: 'success',
      });
    });
  });

  test('a goto lets only its target go on, which is skipped otherwise', async () => {
    const graph: Parameters<typeof start>[0] = {
      charge: [[], { catch: [{ goto: 'refund' }] }],
      ship: [['charge']],
      refund: [[]],
      log: [['charge'], { edges: { charge: 'always' } }],
      tell: [['ship', 'refund']],
    };
    expect(await outcomeOf(graph)).toEqual({
      charge: 3,
      ship: 3,
      refund: 'skipped',
      log: 3,
      tell: 3,
      execution: 'success',
    });
    expect(await outcomeOf(graph, { charge: { goto: 'refund' } })).toEqual({
      charge: 'caught',
      ship: 'skipped',
      refund: 3,
      log: 3,
      tell: 3,
      execution: 'success',
    });
  });

  test('a task that its watchers died on too often is a failure like any other', async () => {
    const started = await start({ a: [[]], h: [['a'], { edges: { a: 'failed' } }] });
    for (let death = 0; death < 3; death++) {
      const dying = await joinWatcher(db);
      expect((await dying.call()).claimed).toMatchObject([{ seq: '1' }]);
      await db.pool.query(
        `update kr_watcher set lease_until = now() - interval '1 s' where watcher_id = $1`,
        [dying.id],
      );
      await rescueTasks(db, 3);
    }
    expect(await stand(started)).toMatchObject({ a: 'handled', h: 0, execution: 'open' });
    await play(started);
    expect(await stand(started)).toEqual({ a: 'handled', h: 3, execution: 'success' });
  });

  test('rows inserted by hand may have edges and counts too', async () => {
    await db.pool.query(
      `insert into kr_task_stat (task_flow_id, task_exec_seq, depends_task_exec_seq, depends, edges, need, task_id, task_seq, exec_status, parameters)
       values ('hand', 1, -1, '{}', null, null, 'f', 1, 0, '{}'), ('hand', 2, -1, '{}', null, null, 'f', 2, 0, '{}'),
         ('hand', 3, 1, '{1,2}', null, 1, 'f', 3, 0, '{}'), ('hand', 4, 1, '{1}', '{failed}', null, 'f', 4, 0, '{}')`,
    );
    const started = { id: 'hand', names: ['a', 'b', 'any', 'bad'], wireOn: [0, 0, 0, 0] };
    await play(started, { a: 'failed' });
    expect(await stand(started)).toEqual({ a: 'handled', b: 3, any: 3, bad: 3, execution: 'success' });
  });

  test('the rerun of a task that a goto left forgets where it led', async () => {
    const started = await start({ a: [[], { catch: [{ goto: 'x' }] }], b: [['a']], x: [[]] });
    await play(started, { a: { goto: 'x' } });
    await db.pool.query(
      'update kr_task_stat set exec_status = 0 where task_flow_id = $1 and task_exec_seq in (1, 2)',
      [started.id],
    );
    await play(started);
    expect(await stand(started)).toEqual({ a: 3, b: 3, x: 3, execution: 'success' });
  });

  test('SQL and dag/ read every end alike', async () => {
    const kinds: EdgeKind[] = ['succeeded', 'failed', 'always', 'goto'];
    const reasons = [
      null,
      'failed',
      'operator',
      'skipped',
      'aborted',
      'handled',
      'allowed_failure',
      'caught',
      'other',
    ];
    const chosen = [null, [], [7], [7, 8]];
    const cases = kinds.flatMap((kind) =>
      Object.values(ExecStatus).flatMap((status) =>
        reasons.flatMap((reason) => chosen.map((choice) => ({ kind, status, reason, chosen: choice }))),
      ),
    );
    const { rows } = await db.pool.query<{ state: string }>(
      `select umbel_edge(c.kind, c.status, c.reason, c.chosen, 7) state from json_to_recordset($1)
         c(kind text, status numeric, reason text, chosen numeric[])`,
      [JSON.stringify(cases)],
    );
    expect(rows.map(({ state }) => state)).toEqual(cases.map((end) => judgeEdge(end.kind, end, 7)));
  });
});
