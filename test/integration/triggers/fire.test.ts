// What one turn of a scheduler decides, registers and remembers.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import {
  countExecutions,
  defineSchedule,
  endExecutions,
  listDecisions,
  makeTurns,
  readFires,
} from '../../support/schedules.ts';

let database: TestDatabase;
let turnAt: ReturnType<typeof makeTurns>;
beforeAll(async () => {
  database = await createDatabase();
  turnAt = makeTurns(database.db);
});
afterAll(() => database.drop());

let count = 0;
const name = () => `flow-${(count += 1)}`;
const readSchedule = async (flow: string) =>
  (await database.db.pool.query('select * from ms_schedule where task_id = $1', [flow])).rows[0];

describe('a turn', () => {
  test('works out when a new schedule fires next and fires nothing yet', async () => {
    const flow = name();
    await defineSchedule(database.db, flow, { cron: '*/5 * * * *', since: '2030-01-01T00:01Z' });
    await turnAt('2030-01-01T00:02Z');
    expect((await readSchedule(flow)).due_execution).toEqual(new Date('2030-01-01T00:05Z'));
    expect(await listDecisions(database.db, flow)).toEqual([]);
  });

  test('fires what is due once, and says when it fires next', async () => {
    const flow = name();
    await defineSchedule(database.db, flow, { cron: '*/5 * * * *', since: '2030-01-01T00:01Z' });
    await turnAt('2030-01-01T00:05Z');
    await turnAt('2030-01-01T00:05:01Z');
    expect(await listDecisions(database.db, flow)).toEqual(['01-01 00:05:00 fired']);
    expect(await countExecutions(database.db, flow)).toBe(1);
    expect((await readSchedule(flow)).due_execution).toEqual(new Date('2030-01-01T00:10Z'));
  });

  test('gives the execution its time in input and trigger', async () => {
    const flow = name();
    const timezone = 'Europe/Berlin';
    await defineSchedule(database.db, flow, { cron: '0 8 * * *', timezone, since: '2030-07-01T00:00Z' });
    await turnAt('2030-07-01T06:00:00.050Z');
    const { rows } = await database.db.pool.query(
      'select task_flow_id id, input, trigger from kr_flow_stat where task_id = $1',
      [flow],
    );
    expect(rows).toEqual([
      {
        id: expect.any(String),
        input: {
          id: rows[0].id,
          attachments: {},
          body: {},
          headers: {},
          metadata: {
            scheduledAt: '2030-07-01T06:00:00.000Z',
            localTime: '2030-07-01T08:00:00+02:00',
            flow,
            cron: '0 8 * * *',
            timezone,
          },
        },
        trigger: { kind: 'schedule', scheduledAt: '2030-07-01T06:00:00.000Z', cron: '0 8 * * *', timezone },
      },
    ]);
    expect((await readFires(database.db, flow))[0]!.execution).toBe(rows[0].id);
  });

  test('leaves alone what is paused or not active', async () => {
    const [paused, starting] = [name(), name()];
    for (const flow of [paused, starting])
      await defineSchedule(database.db, flow, { cron: '* * * * *', since: '2030-01-01T00:01Z' });
    await database.db.pool.query('update ms_schedule set paused = true where task_id = $1', [paused]);
    await database.db.pool.query(`update ms_flow set status = 'starting' where task_id = $1`, [starting]);
    await turnAt('2030-01-01T00:05Z');
    expect(await listDecisions(database.db, paused)).toEqual([]);
    expect(await listDecisions(database.db, starting)).toEqual([]);
  });

  test('goes by a new expression at once', async () => {
    const flow = name();
    await defineSchedule(database.db, flow, { cron: '0 0 1 1 *', since: '2030-01-01T00:01Z' });
    await turnAt('2030-01-01T00:02Z');
    expect((await readSchedule(flow)).due_execution).toEqual(new Date('2031-01-01T00:00Z'));
    await database.db.pool.query(`update ms_flow set cron = '* * * * *' where task_id = $1`, [flow]);
    await turnAt(Date.now());
    const { due_execution: due } = await readSchedule(flow);
    expect(due.getTime()).toBeLessThanOrEqual(Date.now() + 60_000);
    expect(due.getTime() % 60_000).toBe(0);
  });

  test('fires nothing twice when the clock jumps back', async () => {
    const flow = name();
    await defineSchedule(database.db, flow, { cron: '* * * * *', since: '2030-01-01T00:00:30Z' });
    await turnAt('2030-01-01T00:01Z');
    await turnAt('2030-01-01T00:00:30Z');
    await turnAt('2030-01-01T00:01Z');
    await turnAt('2030-01-01T00:02Z');
    expect(await listDecisions(database.db, flow)).toEqual(['01-01 00:01:00 fired', '01-01 00:02:00 fired']);
  });

  test('ends the schedule, and what waits, when the flow stops', async () => {
    const flow = name();
    await defineSchedule(database.db, flow, {
      cron: '* * * * *',
      since: '2030-01-01T00:00:30Z',
      policy: { overlap: 'queue' },
    });
    await turnAt('2030-01-01T00:01Z');
    await turnAt('2030-01-01T00:02Z');
    await database.db.pool.query(`update ms_flow set status = 'stopping' where task_id = $1`, [flow]);
    await turnAt('2030-01-01T00:03Z');
    expect(await listDecisions(database.db, flow)).toEqual([
      '01-01 00:01:00 fired',
      '01-01 00:02:00 cancelled',
    ]);
    expect(await readSchedule(flow)).toBeUndefined();
  });

  test('writes down why a flow could not be started, and goes on with the next time and the other flows', async () => {
    const [broken, sound] = [name(), name()];
    for (const flow of [broken, sound])
      await defineSchedule(database.db, flow, { cron: '* * * * *', since: '2030-01-01T00:00:30Z' });
    await database.db.pool.query(`update ms_task_definition set after = '{nowhere}' where task_id = $1`, [
      broken,
    ]);
    await turnAt('2030-01-01T00:01Z');
    expect(await listDecisions(database.db, sound)).toEqual(['01-01 00:01:00 fired']);
    const [fire] = await readFires(database.db, broken);
    expect(fire).toMatchObject({ decision: 'failed', execution: null });
    expect(fire!.reason).toContain('nowhere');
    expect((await readSchedule(broken)).due_execution).toEqual(new Date('2030-01-01T00:02Z'));
  });

  test('is not held up by an expression that somebody wrote wrongly into the table', async () => {
    const [broken, sound] = [name(), name()];
    for (const flow of [broken, sound])
      await defineSchedule(database.db, flow, { cron: '* * * * *', since: '2030-01-01T00:00:30Z' });
    await database.db.pool.query(`update ms_flow set cron = '0 0 31 2 *' where task_id = $1`, [broken]);
    await turnAt('2030-01-01T00:01Z');
    expect(await listDecisions(database.db, sound)).toEqual(['01-01 00:01:00 fired']);
    expect((await readFires(database.db, broken))[0]).toMatchObject({
      decision: 'failed',
      reason: expect.stringContaining('never fires'),
    });
  });

  test('goes by a definition that changed since the last time', async () => {
    const flow = name();
    await defineSchedule(database.db, flow, { cron: '* * * * *', since: '2030-01-01T00:00:30Z' });
    await turnAt('2030-01-01T00:01Z');
    await database.db.pool.query(
      `insert into ms_task_definition (task_id, task_seq, program) values ($1, 2, 'empty')`,
      [flow],
    );
    await turnAt('2030-01-01T00:02Z');
    const { rows } = await database.db.pool.query(
      `select count(*)::int n from kr_task_stat where task_id = $1 group by task_flow_id order by 1`,
      [flow],
    );
    expect(rows).toEqual([{ n: 1 }, { n: 2 }]);
    expect(await listDecisions(database.db, flow)).toEqual(['01-01 00:01:00 fired', '01-01 00:02:00 fired']);
  });
});

describe('missed times', () => {
  const missed = async (policy: Record<string, unknown>, at: string) => {
    const flow = name();
    await defineSchedule(database.db, flow, { cron: '*/10 * * * *', since: '2030-01-01T00:00:30Z', policy });
    await turnAt(at);
    const fires = await readFires(database.db, flow);
    expect(await countExecutions(database.db, flow)).toBe(
      fires.filter(({ decision }) => decision === 'fired').length,
    );
    return fires.map(
      ({ slot, decision, through }) => `${slot.slice(6)} ${decision} ${through?.slice(6) ?? '-'}`,
    );
  };

  test('last: only the newest is made up for', async () => {
    expect(await missed({}, '2030-01-01T00:35Z')).toEqual(['00:10:00 missed 00:20:00', '00:30:00 fired -']);
  });

  test('none: none is', async () => {
    expect(await missed({ misfire: 'none' }, '2030-01-01T00:35Z')).toEqual(['00:10:00 missed 00:30:00']);
  });

  test('none: what is a few seconds late is not missed', async () => {
    expect(await missed({ misfire: 'none' }, '2030-01-01T00:30:05Z')).toEqual([
      '00:10:00 missed 00:20:00',
      '00:30:00 fired -',
    ]);
  });

  test('all: every one is', async () => {
    expect(await missed({ misfire: 'all' }, '2030-01-01T00:35Z')).toEqual([
      '00:10:00 fired -',
      '00:20:00 fired -',
      '00:30:00 fired -',
    ]);
  });

  test('those before the window are not', async () => {
    expect(await missed({ misfire: 'all', catchUpWindow: '30m' }, '2030-01-01T01:05Z')).toEqual([
      '00:10:00 missed 00:34:50',
      '00:40:00 fired -',
      '00:50:00 fired -',
      '01:00:00 fired -',
    ]);
    expect(await missed({ misfire: 'last', catchUpWindow: '1m' }, '2030-01-01T00:35Z')).toEqual([
      '00:10:00 missed 00:33:50',
    ]);
  });

  test('of years are passed over at once', async () => {
    const flow = name();
    await defineSchedule(database.db, flow, { cron: '* * * * * *', since: '2020-01-01T00:00:00Z' });
    const turns = await turnAt('2030-01-01T00:00:00Z');
    expect(turns.length).toBeLessThan(10);
    const fires = await readFires(database.db, flow);
    expect(fires.at(-1)).toMatchObject({ slot: '01-01 00:00:00', decision: 'fired' });
    expect(fires.filter(({ decision }) => decision === 'fired')).toHaveLength(11);
  });
});

describe('overlap', () => {
  const start = async (overlap: string) => {
    const flow = name();
    const policy = { overlap };
    await defineSchedule(database.db, flow, { cron: '* * * * *', since: '2030-01-01T00:00:30Z', policy });
    await turnAt('2030-01-01T00:01Z');
    return flow;
  };
  const statuses = async (flow: string) => {
    const { rows } = await database.db.pool.query<{ status: string }>(
      'select flow_status status from kr_flow_stat where task_id = $1 order by task_flow_id',
      [flow],
    );
    return rows.map(({ status }) => status);
  };

  test('allow: executions run side by side', async () => {
    const flow = await start('allow');
    await turnAt('2030-01-01T00:02Z');
    expect(await statuses(flow)).toEqual(['open', 'open']);
  });

  test('skip: a time is left out while an execution runs', async () => {
    const flow = await start('skip');
    await turnAt('2030-01-01T00:02Z');
    await endExecutions(database.db, flow);
    await turnAt('2030-01-01T00:03Z');
    expect(await listDecisions(database.db, flow)).toEqual([
      '01-01 00:01:00 fired',
      '01-01 00:02:00 skipped',
      '01-01 00:03:00 fired',
    ]);
    expect(await statuses(flow)).toEqual(['success', 'open']);
  });

  test('queue: times wait and are made up for one after the other', async () => {
    const flow = await start('queue');
    await turnAt('2030-01-01T00:02Z');
    await turnAt('2030-01-01T00:03Z');
    expect(await statuses(flow)).toEqual(['open']);
    await endExecutions(database.db, flow);
    await turnAt('2030-01-01T00:03:10Z');
    expect(await statuses(flow)).toEqual(['success', 'open']);
    expect(await listDecisions(database.db, flow)).toEqual([
      '01-01 00:01:00 fired',
      '01-01 00:02:00 fired',
      '01-01 00:03:00 queued',
    ]);
    await endExecutions(database.db, flow);
    await turnAt('2030-01-01T00:04Z');
    expect(await listDecisions(database.db, flow)).toEqual([
      '01-01 00:01:00 fired',
      '01-01 00:02:00 fired',
      '01-01 00:03:00 fired',
      '01-01 00:04:00 queued',
    ]);
  });

  test('cancel-running: what runs is aborted first', async () => {
    const flow = await start('cancel-running');
    const [turn] = await turnAt('2030-01-01T00:02Z');
    expect(turn!.cancels).toMatchObject([{ flow, executions: [expect.any(String)] }]);
    const { cancelRunning } = await import('../../../src/triggers/fire.ts');
    await cancelRunning(database.db, turn!.cancels[0]!);
    await turnAt('2030-01-01T00:02Z');
    expect(await statuses(flow)).toEqual(['aborted', 'open']);
    expect(await listDecisions(database.db, flow)).toEqual([
      '01-01 00:01:00 cancelled',
      '01-01 00:02:00 fired',
    ]);
  });

  test('does not count executions that somebody else started', async () => {
    const flow = await start('skip');
    await endExecutions(database.db, flow);
    await database.db.pool.query(
      `insert into kr_flow_stat (task_flow_id, task_id, active) values ($1, $1, 1)`,
      [flow],
    );
    await turnAt('2030-01-01T00:02Z');
    expect((await listDecisions(database.db, flow)).at(-1)).toBe('01-01 00:02:00 fired');
  });
});

describe('decisions', () => {
  test('go with their executions', async () => {
    const flow = name();
    await defineSchedule(database.db, flow, { cron: '* * * * *', since: '2030-01-01T00:00:30Z' });
    await turnAt('2030-01-01T00:01Z');
    await database.db.pool.query('delete from kr_task_stat where task_id = $1', [flow]);
    await database.db.pool.query('delete from kr_flow_stat where task_id = $1', [flow]);
    expect(await listDecisions(database.db, flow)).toEqual([]);
  });

  test('go with their flow', async () => {
    const flow = name();
    await defineSchedule(database.db, flow, {
      cron: '* * * * *',
      since: '2030-01-01T00:00:30Z',
      policy: { misfire: 'none' },
    });
    await turnAt('2030-01-01T00:01:30Z');
    expect(await listDecisions(database.db, flow)).toEqual(['01-01 00:01:00 missed']);
    await database.db.pool.query('delete from ms_task_definition where task_id = $1', [flow]);
    await database.db.pool.query('delete from ms_flow where task_id = $1', [flow]);
    expect(await listDecisions(database.db, flow)).toEqual([]);
  });

  test('go when a table is emptied', async () => {
    const emptied = await createDatabase();
    const turn = makeTurns(emptied.db);
    const policy = { overlap: 'skip' };
    await defineSchedule(emptied.db, 'f', { cron: '* * * * *', since: '2030-01-01T00:00:30Z', policy });
    await turn('2030-01-01T00:01Z');
    await turn('2030-01-01T00:02Z');
    await emptied.db.pool.query('truncate kr_task_stat, kr_flow_stat');
    expect(await listDecisions(emptied.db, 'f')).toEqual(['01-01 00:02:00 skipped']);
    await emptied.db.pool.query('truncate ms_flow cascade');
    expect(await listDecisions(emptied.db, 'f')).toEqual([]);
    await emptied.drop();
  });

  test('are forgotten but for the newest, those that wait and those that run', async () => {
    const flow = name();
    await defineSchedule(database.db, flow, {
      cron: '* * * * *',
      since: '2030-01-01T00:00:30Z',
      policy: { overlap: 'queue' },
    });
    for (let minute = 1; minute <= 3; minute += 1) await turnAt(`2030-01-01T00:0${minute}Z`);
    await database.db.pool.query(
      `insert into kr_fire (task_id, slot, decision) select $1, '2029-01-01'::timestamptz + n * interval '1 s', 'skipped' from generate_series(1, 20) n`,
      [flow],
    );
    await database.db.pool.query('select umbel_prune_fires_v1($1, 1)', [[flow]]);
    expect(await listDecisions(database.db, flow)).toEqual([
      '01-01 00:01:00 fired',
      '01-01 00:02:00 queued',
      '01-01 00:03:00 queued',
    ]);
  });
});
