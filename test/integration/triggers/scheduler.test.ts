// Schedulers that run: real time, several at once, flows that start and stop under way.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../src/log.ts';
import { makeManyRegistrar } from '../../../src/registrar/register-many.ts';
import type { Turn } from '../../../src/triggers/fire.ts';
import { makeScheduler, type Scheduler } from '../../../src/triggers/scheduler.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { defineFlow } from '../../support/flows.ts';
import { countExecutions, defineSchedule, endExecutions, readFires } from '../../support/schedules.ts';
import { until } from '../../support/service.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

const running: Scheduler[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((scheduler) => scheduler.stop()));
  await database.db.pool.query(`update ms_flow set status = 'inactive'`);
});

/** `pollInterval` is long, so that what happens soon happened for another reason. */
function start({ pollInterval = 600_000 } = {}) {
  const { db, url } = database;
  const turns: Turn[] = [];
  const woken: string[] = [];
  const scheduler = makeScheduler({
    db,
    url,
    registrar: makeManyRegistrar(db, (pool) => woken.push(pool)),
    pollInterval,
    log: silentLogger(),
    onTurn: (turn) => turns.push(turn),
  });
  scheduler.start();
  running.push(scheduler);
  return { scheduler, turns, woken };
}

const activate = (flow: string, cron: string) =>
  database.db.pool.query(`update ms_flow set cron = $2, status = 'active' where task_id = $1`, [flow, cron]);
const fired = async (flow: string) =>
  (await readFires(database.db, flow)).filter(({ decision }) => decision === 'fired');

describe('a scheduler', () => {
  test('fires a flow that is started while it sleeps, every second, and wakes the watchers of its pool', async () => {
    await defineFlow(database.db, 'seconds', [{ program: 'empty', pool: 'special' }]);
    const { woken, turns } = start();
    await activate('seconds', '* * * * * *');
    const fires = await until(
      () => fired('seconds'),
      ({ length }) => length >= 3,
    );
    const slots = fires.map(({ slot }) => Date.parse(`2026-${slot.replace(' ', 'T')}Z`));
    for (const [at, slot] of slots.slice(1).entries()) expect(slot - slots[at]!).toBe(1000);
    expect(new Set(woken)).toEqual(new Set(['special']));
    expect(turns.flatMap(({ lateness }) => lateness).length).toBeGreaterThanOrEqual(3);
  });

  test('fires no more once the flow stops', async () => {
    await defineFlow(database.db, 'stopping', [{ program: 'empty' }]);
    start();
    await activate('stopping', '* * * * * *');
    await until(
      () => fired('stopping'),
      ({ length }) => length >= 1,
    );
    await database.db.pool.query(`update ms_flow set status = 'stopping' where task_id = 'stopping'`);
    const before = await countExecutions(database.db, 'stopping');
    await defineFlow(database.db, 'later', [{ program: 'empty' }]);
    await activate('later', '* * * * * *');
    await until(
      () => fired('later'),
      ({ length }) => length >= 2,
    );
    expect(await countExecutions(database.db, 'stopping')).toBe(before);
  });

  test('begins what waits when an execution ends, and ends what runs when it should', async () => {
    const since = new Date(Date.now() - 5_000).toISOString();
    const cron = '* * * * * *';
    await defineSchedule(database.db, 'queues', { cron, since, policy: { overlap: 'queue' } });
    await defineSchedule(database.db, 'cancels', { cron, since, policy: { overlap: 'cancel-running' } });
    start();
    await until(
      () => readFires(database.db, 'queues'),
      (fires) => fires.some(({ decision }) => decision === 'queued'),
    );
    expect(await countExecutions(database.db, 'queues')).toBe(1);
    await endExecutions(database.db, 'queues');
    await until(
      () => countExecutions(database.db, 'queues'),
      (count) => count === 2,
    );
    const statuses = async () => {
      const { rows } = await database.db.pool.query<{ status: string }>(
        `select flow_status status from kr_flow_stat where task_id = 'cancels' order by task_flow_id`,
      );
      return rows.map(({ status }) => status);
    };
    const seen = await until(statuses, ({ length }) => length >= 3);
    expect(seen.slice(0, -2).every((status) => status === 'aborted')).toBe(true);
  });

  test('finds by itself what no hint told of', async () => {
    start({ pollInterval: 50 });
    await defineFlow(database.db, 'silent', [{ program: 'empty' }]);
    await database.db.pool.query(
      `set session_replication_role = replica;
       insert into ms_schedule (task_id, cron, timezone) values ('silent', '* * * * * *', 'UTC');
       update ms_flow set status = 'active', cron = '* * * * * *' where task_id = 'silent';
       set session_replication_role = origin`,
    );
    expect(
      (
        await until(
          () => fired('silent'),
          ({ length }) => length >= 1,
        )
      ).length,
    ).toBeGreaterThan(0);
  });
});

describe('several schedulers', () => {
  test('fire hundreds of schedules that are due at once, each exactly once', async () => {
    const flows = 400;
    await database.db.pool.query(
      `insert into ms_task_definition (task_id, task_seq, program) select 'many-' || n, 1, 'empty' from generate_series(1, $1) n`,
      [flows],
    );
    const at = new Date(Math.ceil(Date.now() / 1000) * 1000 + 4000);
    const cron = `${at.getUTCSeconds()} ${at.getUTCMinutes()} ${at.getUTCHours()} * * *`;
    for (let n = 0; n < 3; n += 1) start();
    await database.db.pool.query(
      `update ms_flow set cron = $1, status = 'active' where task_id like 'many-%'`,
      [cron],
    );
    const count = async () => {
      const { rows } = await database.db.pool.query<{ fires: number; executions: number }>(
        `select (select count(*)::int from kr_fire where task_id like 'many-%' and decision = 'fired' and slot = $1) fires,
                (select count(*)::int from kr_flow_stat where task_id like 'many-%') executions`,
        [at],
      );
      return rows[0]!;
    };
    await until(count, ({ fires }) => fires >= flows);
    await Promise.all(running.splice(0).map((scheduler) => scheduler.stop()));
    expect(await count()).toEqual({ fires: flows, executions: flows });
  });
});
