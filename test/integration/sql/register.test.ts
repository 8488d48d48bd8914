import { randomUUID } from 'node:crypto';
import { v7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { admitExecutions, flowsWithWaitingExecutions } from '../../../src/sql/admit.ts';
import type { Database } from '../../../src/sql/database.ts';
import { isRetryable } from '../../../src/sql/failures.ts';
import { type Registration, registerExecutions } from '../../../src/sql/register.ts';
import { createDatabase, servers, type TestDatabase } from '../../support/database.ts';
import { readExecution, readStatuses, readTasks, setStatus } from '../../support/rows.ts';
import {
  failed,
  finished,
  joinWatcher,
  planFlow,
  registerMany,
  registerOne,
  requestOf,
  runAll,
} from '../../support/runs.ts';
import { makeStep, makeSteps } from '../../support/steps.ts';

describe.each(servers())('on $name', ({ server }) => {
  let database: TestDatabase;
  let db: Database;
  beforeAll(async () => {
    database = await createDatabase({ server });
    db = database.db;
  });
  afterAll(() => database.drop());

  const outcomesOf = async (batch: Registration[]) =>
    (await registerExecutions(db, batch)).map(({ outcome }) => outcome);
  /** Steps in a pool of their own, so that tests do not take each other's tasks. */
  const limited = (maxRunning: number, after: Record<string, string[]> = { a: [] }) => {
    const pool = randomUUID();
    const steps = makeSteps(after).map((step) => ({ ...step, pool }));
    return planFlow(db, steps, { maxRunning }).then((planned) => ({ ...planned, pool }));
  };
  const places = async (ids: string[]) =>
    Promise.all(ids.map(async (id) => (await readExecution(db, id))?.place));
  const readyOnes = async (ids: string[]) => {
    const tasks = await Promise.all(ids.map((id) => readTasks(db, id)));
    return tasks.flatMap((rows, at) => (rows.some(({ ready }) => ready) ? [at] : []));
  };

  describe('the rows of an execution', () => {
    test('are as the contract has them', async () => {
      const steps = [
        makeStep({ seq: '1', program: 'first', params: { A: 'x', B: '' } }),
        makeStep({ seq: '1.5', program: 'second', priority: -3, dependsSeq: null, pool: 'special' }),
        makeStep({ seq: '9', program: 'third', dependsSeq: ['1', '1.5'] }),
      ];
      const planned = await planFlow(db, steps);
      const id = await registerOne(db, planned);
      const { rows } = await db.pool.query(
        `select task_exec_seq, depends_task_exec_seq, task_id, task_seq, exec_status, task_priority, parameters, registered_ts = max(registered_ts) over () same_ts,
                started_ts, finished_ts, suspended_ts, version, pool, depends, releases, waiting_on, live, ready, hold, reason, watcher_id, attempt, lost
         from kr_task_stat where task_flow_id = $1 order by task_exec_seq`,
        [id],
      );
      const same = {
        task_id: planned.flow,
        exec_status: '0',
        same_ts: true,
        started_ts: null,
        finished_ts: null,
        suspended_ts: null,
        version: planned.version,
        hold: false,
        reason: null,
        watcher_id: null,
        attempt: 0,
        lost: 0,
      };
      expect(rows).toEqual([
        {
          ...same,
          task_exec_seq: '1',
          depends_task_exec_seq: '-1',
          task_seq: '1',
          task_priority: '0',
          parameters: { A: 'x', B: '' },
          pool: 'default',
          depends: [],
          releases: ['2', '3'],
          waiting_on: 0,
          live: 1,
          ready: true,
        },
        {
          ...same,
          task_exec_seq: '2',
          depends_task_exec_seq: '1',
          task_seq: '1.5',
          task_priority: '-3',
          parameters: {},
          pool: 'special',
          depends: ['1'],
          releases: ['3'],
          waiting_on: 1,
          live: 1,
          ready: false,
        },
        {
          ...same,
          task_exec_seq: '3',
          depends_task_exec_seq: '1',
          task_seq: '9',
          task_priority: '0',
          parameters: {},
          pool: 'default',
          depends: ['1', '2'],
          releases: [],
          waiting_on: 2,
          live: 2,
          ready: false,
        },
      ]);
    });

    test('take a priority and parameters from the request, and its input at the roots', async () => {
      const steps = [
        makeStep({ seq: '1', priority: 4, params: { A: 'x', B: 'y' } }),
        makeStep({ seq: '2', dependsSeq: ['1'], params: { B: 'z', C: 'c' } }),
        makeStep({ seq: '3', dependsSeq: ['1'] }),
      ];
      const id = await registerOne(db, await planFlow(db, steps), {
        priority: -7,
        params: { B: 'new', C: { any: [null] }, D: 'unknown' },
        input: { n: 1 },
      });
      const rows = await readTasks(db, id);
      expect(rows.map(({ priority, parameters, input }) => ({ priority, parameters, input }))).toEqual([
        { priority: -7, parameters: { A: 'x', B: 'new' }, input: { n: 1 } },
        { priority: -7, parameters: { B: 'new', C: { any: [null] } }, input: null },
        { priority: -7, parameters: {}, input: null },
      ]);
    });

    test('can be overridden with null, and without a parameter nothing is', async () => {
      const id = await registerOne(
        db,
        await planFlow(db, [makeStep({ params: { A: 'x' } }), makeStep({ seq: '2' })]),
        {
          params: { A: null },
        },
      );
      expect((await readTasks(db, id)).map(({ parameters }) => parameters)).toEqual([{ A: null }, {}]);
    });

    test('are joined by a row of the execution', async () => {
      const planned = await planFlow(db, makeSteps({ a: [], b: [], c: ['a'] }));
      const id = v7();
      const request = { id, tenant: 'north', input: [1], idempotencyKey: 'k', trigger: { kind: 'http' } };
      await registerOne(db, planned, request);
      const { rows } = await db.pool.query(
        `select k.*, k.registered_ts = (select t.registered_ts from kr_task_stat t where t.task_flow_id = k.task_flow_id limit 1) same_ts
         from kr_flow_stat k where task_flow_id = $1`,
        [id],
      );
      expect(rows).toMatchObject([
        {
          task_id: planned.flow,
          tenant: 'north',
          version: planned.version,
          flow_status: 'open',
          active: 2,
          place: null,
          trigger: { kind: 'http' },
          input: [1],
          output: null,
          idempotency_key: 'k',
          finished_ts: null,
          same_ts: true,
        },
      ]);
    });

    test('come whole for a deep plan and a wide one', async () => {
      const names = Array.from({ length: 1_000 }, (_, n) => `s${n}`);
      const chain = Object.fromEntries(names.map((name, n) => [name, n === 0 ? [] : [names[n - 1]!]]));
      const fan = Object.fromEntries(names.map((name, n) => [name, n === 0 ? [] : [names[0]!]]));
      const [deep, wide] = [
        await registerOne(db, await planFlow(db, makeSteps(chain))),
        await registerOne(db, await planFlow(db, makeSteps(fan))),
      ];
      const deepRows = await readTasks(db, deep);
      expect(deepRows.filter(({ ready }) => ready).map(({ seq }) => seq)).toEqual([1]);
      expect(deepRows.slice(1).every(({ depends, seq }) => depends?.[0] === seq - 1)).toBe(true);
      const wideRows = await readTasks(db, wide);
      expect(wideRows).toHaveLength(1_000);
      expect(wideRows[0]!.releases).toHaveLength(999);
    });
  });

  describe('a batch', () => {
    test('answers each request: another revision and an unknown flow are stale and write nothing', async () => {
      const planned = await planFlow(db, makeSteps({ a: [] }));
      const unknown = { ...planned, flow: randomUUID() };
      const batch = [
        requestOf(planned),
        requestOf({ ...planned, revision: '77' }),
        requestOf(unknown),
        requestOf({ ...planned, revision: '77' }, { idempotencyKey: 'stale' }),
        requestOf(planned),
      ];
      expect(await outcomesOf(batch)).toEqual(['registered', 'stale', 'stale', 'stale', 'registered']);
      const there = await Promise.all(batch.map(async ({ id }) => (await readTasks(db, id)).length));
      expect(there).toEqual([1, 0, 0, 0, 1]);
      expect(await readExecution(db, batch[1]!.id)).toBeUndefined();
    });

    test('is stale as a whole once the definition changes', async () => {
      const planned = await planFlow(db, makeSteps({ a: [] }));
      await db.pool.query(
        `insert into ms_task_definition (task_id, task_seq, program) values ($1, 1, 'empty')`,
        [planned.flow],
      );
      expect(await outcomesOf([requestOf(planned)])).toEqual(['stale']);
    });

    test('fails as a whole when one request cannot be stored', async () => {
      const planned = await planFlow(db, makeSteps({ a: [] }));
      const batch = [requestOf(planned), requestOf(planned, { priority: 20 })];
      await expect(registerExecutions(db, batch)).rejects.toMatchObject({ code: '23514' });
      expect(await readTasks(db, batch[0]!.id)).toEqual([]);
    });
  });

  describe('an idempotency key', () => {
    test('makes one execution in one batch, and every request learns its id', async () => {
      const planned = await planFlow(db, makeSteps({ a: [] }));
      const batch = Array.from({ length: 3 }, () => requestOf(planned, { idempotencyKey: 'same' }));
      const answers = await registerExecutions(db, [...batch, requestOf(planned)]);
      expect(answers.map(({ outcome }) => outcome)).toEqual([
        'registered',
        'existing',
        'existing',
        'registered',
      ]);
      expect(new Set(answers.slice(0, 3).map(({ id }) => id))).toEqual(new Set([batch[0]!.id]));
      expect(await Promise.all(batch.map(async ({ id }) => (await readTasks(db, id)).length))).toEqual([
        1, 0, 0,
      ]);
    });

    test('holds across batches, also when the definition changed since', async () => {
      const planned = await planFlow(db, makeSteps({ a: [] }));
      const first = await registerOne(db, planned, { idempotencyKey: 'same' });
      const [again, stale] = [
        await registerExecutions(db, [requestOf(planned, { idempotencyKey: 'same' })]),
        await registerExecutions(db, [requestOf({ ...planned, revision: '77' }, { idempotencyKey: 'same' })]),
      ];
      expect(again).toEqual([{ outcome: 'existing', id: first }]);
      expect(stale).toEqual([{ outcome: 'existing', id: first }]);
    });

    test('belongs to a tenant and a flow', async () => {
      const [one, other] = [
        await planFlow(db, makeSteps({ a: [] })),
        await planFlow(db, makeSteps({ a: [] })),
      ];
      const batch = [
        requestOf(one, { idempotencyKey: 'k' }),
        requestOf(other, { idempotencyKey: 'k' }),
        requestOf(one, { idempotencyKey: 'k', tenant: 'south' }),
      ];
      expect(await outcomesOf(batch)).toEqual(['registered', 'registered', 'registered']);
    });

    test('of a request whose answer was lost gives the same answer again', async () => {
      const request = requestOf(await planFlow(db, makeSteps({ a: [] })), { idempotencyKey: 'k' });
      expect(await registerExecutions(db, [request])).toEqual(await registerExecutions(db, [request]));
    });

    test('makes one execution in many transactions at once, in whatever order they name their keys', async () => {
      const planned = await planFlow(db, makeSteps({ a: [] }));
      const names = Array.from({ length: 1_000 }, (_, n) => `key ${n}`);
      const batchOf = (keys: string[]) =>
        keys.map((idempotencyKey) => requestOf(planned, { idempotencyKey }));
      const batches = [names, names.toReversed(), names, names.toReversed()].map(batchOf);
      const answers = await Promise.all(batches.map((batch) => registerExecutions(db, batch)));
      const registered = answers.flat().filter(({ outcome }) => outcome === 'registered');
      expect(registered).toHaveLength(1_000);
      expect(new Set(answers.flat().map(({ id }) => id)).size).toBe(1_000);
    });
  });

  describe('max_running', () => {
    test('lets in as many as it says, the oldest first, and the next as one ends', async () => {
      const flow = await limited(2, { a: [], b: ['a'] });
      const ids = await registerMany(db, flow, 4);
      const watcher = await joinWatcher(db, flow.pool);
      expect(await places(ids)).toEqual([1, 1, 0, 0]);
      expect(await readyOnes(ids)).toEqual([0, 1]);
      expect(await flowsWithWaitingExecutions(db)).toContain(flow.flow);
      const { claimed } = await watcher.call();
      const { claimed: second } = await watcher.call({ ended: [finished(claimed[0]!)] });
      const { freedPlaces } = await watcher.call({ ended: [finished(second[0]!)], want: 0 });
      expect(freedPlaces).toEqual([flow.flow]);
      expect(await admitExecutions(db, freedPlaces)).toBe(1);
      expect(await admitExecutions(db, freedPlaces)).toBe(0);
      expect(await places(ids)).toEqual([2, 1, 1, 0]);
    });

    test('runs everything in the end', async () => {
      const flow = await limited(1, { a: [], b: ['a'] });
      const ids = await registerMany(db, flow, 3);
      const watcher = await joinWatcher(db, flow.pool);
      const ran: string[] = [];
      for (let more = true; more; more = (await admitExecutions(db, [flow.flow])) > 0)
        ran.push(...(await runAll(watcher)));
      expect(ran).toEqual(ids.flatMap((id) => [`${id}/1`, `${id}/2`]));
    });

    test('an execution with a failed task keeps its place until that is dealt with', async () => {
      const flow = await limited(1);
      const [first, second] = await registerMany(db, flow, 2);
      const watcher = await joinWatcher(db, flow.pool);
      const { claimed } = await watcher.call();
      const { freedPlaces } = await watcher.call({ ended: [failed(claimed[0]!)] });
      expect(freedPlaces).toEqual([]);
      expect(await readExecution(db, first!)).toMatchObject({ status: 'failed', place: 1 });
      expect(await admitExecutions(db, [flow.flow])).toBe(0);
      await setStatus(db, first!, 1, 3);
      expect(await readExecution(db, first!)).toMatchObject({ status: 'success', place: 2 });
      expect(await admitExecutions(db, [flow.flow])).toBe(1);
      expect(await places([second!])).toEqual([1]);
    });

    test('an ended execution that is run again waits for a place again', async () => {
      const flow = await limited(1);
      const [first, second] = await registerMany(db, flow, 2);
      const watcher = await joinWatcher(db, flow.pool);
      await runAll(watcher);
      await admitExecutions(db, [flow.flow]);
      await setStatus(db, first!, 1, 0);
      expect(await places([first!, second!])).toEqual([0, 1]);
      expect(await runAll(watcher)).toEqual([`${second}/1`]);
      await admitExecutions(db, [flow.flow]);
      expect(await runAll(watcher)).toEqual([`${first}/1`]);
    });

    test('holds for rows that were inserted by hand', async () => {
      const flow = await limited(1);
      const ids = ['hand one', 'hand two'].map((name) => `${flow.flow} ${name}`);
      for (const id of ids)
        await db.pool.query(
          `insert into kr_task_stat (task_flow_id, task_exec_seq, depends_task_exec_seq, task_id, task_seq, exec_status, parameters)
           values ($1, 1, -1, $2, 1, 0, '{}')`,
          [id, flow.flow],
        );
      expect(await readyOnes(ids)).toEqual([]);
      expect(await admitExecutions(db, [flow.flow])).toBe(1);
      expect(await readyOnes(ids)).toHaveLength(1);
    });

    test('lifted, lets in all that wait', async () => {
      const flow = await limited(1);
      const ids = await registerMany(db, flow, 3);
      await db.pool.query('update ms_flow set max_running = null where task_id = $1', [flow.flow]);
      expect(await admitExecutions(db, [flow.flow])).toBe(2);
      expect(await readyOnes(ids)).toEqual([0, 1, 2]);
    });

    test('is never exceeded by those who admit and register at once', async () => {
      const flow = await limited(3);
      const work = Array.from({ length: 24 }, (_, n) =>
        n % 2 ? registerMany(db, flow, 2) : admitExecutions(db, [flow.flow]),
      );
      const results = await Promise.allSettled(work);
      const errors = results.flatMap((result) =>
        result.status === 'rejected' ? [result.reason as unknown] : [],
      );
      expect(errors.filter((error) => !isRetryable(error))).toEqual([]);
      await admitExecutions(db, [flow.flow]);
      const { rows } = await db.pool.query(
        'select count(*) filter (where place = 1)::int running from kr_flow_stat where task_id = $1',
        [flow.flow],
      );
      expect(rows).toEqual([{ running: 3 }]);
      const watcher = await joinWatcher(db, flow.pool);
      const { claimed } = await watcher.call();
      expect(claimed).toHaveLength(3);
      expect(await readStatuses(db, claimed[0]!.flow)).toEqual([1]);
    });
  });
});
