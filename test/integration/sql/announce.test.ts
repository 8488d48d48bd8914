import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Database } from '../../../src/sql/database.ts';
import { positionBefore, readEvents } from '../../../src/sql/events.ts';
import { createDatabase, servers, type TestDatabase } from '../../support/database.ts';
import { insertRows } from '../../support/hands.ts';
import {
  failed,
  joinWatcher,
  type PlannedFlow,
  planFlow,
  registerOne,
  runAll,
  type TestWatcher,
} from '../../support/runs.ts';
import { makeSteps } from '../../support/steps.ts';

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
    await db.pool.query('truncate kr_task_stat, ms_event, ms_subscription cascade');
    watcher = await joinWatcher(db);
  });

  /** What was told since the last time, as name and payload. */
  const told = async () => {
    const { events } = await readEvents(db, {
      from: positionBefore(0n),
      names: null,
      most: 100,
      service: 'umbel',
    });
    await db.pool.query('delete from ms_event');
    return events.map(
      ({ event: { headers, payload } }) => [headers.name, payload as Record<string, unknown>] as const,
    );
  };
  const names = async () => (await told()).map(([name]) => name);
  const plan = async (steps: Record<string, string[]> = { a: [] }): Promise<PlannedFlow> =>
    planFlow(db, makeSteps(steps));
  const announce = ({ flow }: PlannedFlow) =>
    db.pool.query(
      `update ms_flow set settings = '{"announce": true}', revision = revision where task_id = $1`,
      [flow],
    );
  const revised = async (planned: PlannedFlow): Promise<PlannedFlow> => {
    const { rows } = await db.pool.query<{ revision: string }>(
      'select revision from ms_flow where task_id = $1',
      [planned.flow],
    );
    return { ...planned, revision: rows[0]!.revision };
  };
  const announced = async (steps?: Record<string, string[]>) => {
    const planned = await plan(steps);
    await announce(planned);
    return revised(planned);
  };
  const failOne = async () => {
    const { claimed } = await watcher.call();
    await watcher.call({ ended: claimed.map((task) => failed(task)) });
  };
  const subscribe = (subscribed: string[], flow: string | null = null) =>
    db.pool.query(
      `insert into ms_subscription (subscription_id, names, task_id, url, secrets) values (gen_random_uuid(), $1, $2, 'http://x', '{s}')`,
      [subscribed, flow],
    );

  it('a plain execution tells nothing, however it goes', async () => {
    const planned = await plan();
    await registerOne(db, planned);
    await runAll(watcher);
    await registerOne(db, planned);
    await failOne();
    expect(await names()).toEqual([]);
  });

  it('one of a flow that asks for it tells that it was registered and that it finished', async () => {
    const planned = await announced();
    const id = await registerOne(db, planned, { trigger: { kind: 'api', user: 'eve', request: 'secret' } });
    expect(await told()).toEqual([
      [
        'flow.executed',
        {
          flow: planned.flow,
          executionId: id,
          version: planned.version,
          trigger: { kind: 'api', user: 'eve' },
          parent: null,
          registeredAt: expect.stringMatching(/Z$/),
        },
      ],
    ]);
    await runAll(watcher);
    const [finished] = await told();
    expect(finished).toEqual([
      'execution.finished',
      expect.objectContaining({ id, flow: planned.flow, status: 'success', error: null }),
    ]);
  });

  it('a flow that is not inactive tells of its executions', async () => {
    const planned = await plan();
    await db.pool.query(`update ms_flow set status = 'active' where task_id = $1`, [planned.flow]);
    await registerOne(db, planned);
    await db.pool.query(`update ms_flow set status = 'inactive' where task_id = $1`, [planned.flow]);
    await registerOne(db, planned);
    expect(await names()).toEqual(['flow.executed']);
  });

  it('a failure names the step and the error; what is made good then finishes as well', async () => {
    const id = await registerOne(db, await announced({ a: [], b: ['a'] }));
    await told();
    await failOne();
    expect(await told()).toEqual([
      [
        'execution.failed',
        expect.objectContaining({
          id,
          status: 'failed',
          error: { step: 'a', name: 'ProgramError', message: 'no luck' },
        }),
      ],
    ]);
    await db.pool.query(
      'update kr_task_stat set exec_status = 3 where task_flow_id = $1 and exec_status = 2',
      [id],
    );
    await runAll(watcher);
    expect(await names()).toEqual(['execution.finished']);
  });

  it('an abort is told once', async () => {
    const id = await registerOne(db, await announced());
    await told();
    await db.pool.query(`update kr_flow_stat set flow_status = 'aborted' where task_flow_id = $1`, [id]);
    expect(await names()).toEqual(['execution.aborted']);
  });

  it('what is rolled back was not told', async () => {
    const planned = await announced();
    const client = await db.pool.connect();
    await client.query('begin');
    await client.query(
      `insert into kr_flow_stat (task_flow_id, task_id, version, announce) values ('x', $1, gen_random_uuid(), 2)`,
      [planned.flow],
    );
    await client.query('rollback');
    client.release();
    expect(await names()).toEqual([]);
  });

  it('a repeated request with the same key is told once', async () => {
    const planned = await announced();
    await registerOne(db, planned, { idempotencyKey: 'k' });
    await registerOne(db, planned, { idempotencyKey: 'k' });
    expect(await names()).toEqual(['flow.executed']);
  });

  it('one made by hand tells the same', async () => {
    const planned = await announced();
    await insertRows(db.pool, 'by-hand', [[1, -1]], planned.flow);
    await db.pool.query(`update kr_task_stat set exec_status = 3 where task_flow_id = 'by-hand'`);
    expect(await names()).toEqual(['flow.executed', 'execution.finished']);
  });

  it('one that an event of another service started does not start others in turn', async () => {
    await registerOne(db, await announced(), { trigger: { kind: 'event' } });
    await runAll(watcher);
    expect(await names()).toEqual(['execution.finished']);
  });

  describe('a subscription', () => {
    it('to failures lets the failures of all flows be told, and nothing else', async () => {
      const before = await plan();
      await subscribe(['execution.failed']);
      const after = await plan();
      for (const planned of [before, after]) {
        await registerOne(db, planned);
        await failOne();
        await registerOne(db, planned);
        await runAll(watcher);
      }
      expect(await names()).toEqual(['execution.failed', 'execution.failed']);
    });

    it('of one flow lets that one tell', async () => {
      const [one, other] = [await plan(), await plan()];
      await subscribe(['execution.*'], one.flow);
      await registerOne(db, one);
      await registerOne(db, other);
      await runAll(watcher);
      expect(await names()).toEqual(['flow.executed', 'execution.finished']);
      await db.pool.query('delete from ms_subscription');
      await registerOne(db, one);
      await runAll(watcher);
      expect(await names()).toEqual([]);
    });

    it('of another tenant lets nothing be told', async () => {
      await subscribe(['*']);
      await db.pool.query(`update ms_subscription set tenant = 'other'`);
      await registerOne(db, await plan());
      expect(await names()).toEqual([]);
    });

    it('to other events lets executions be silent', async () => {
      await subscribe(['flow.started', 'audit.*']);
      await registerOne(db, await plan());
      expect(await names()).toEqual([]);
    });
  });
});
