// /flows/{flow}/schedule: the next times, pause and resume, over a database.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { App } from '../../../src/http/app.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { makeWholeApp } from '../../support/whole-app.ts';
import { defineFlow } from '../../support/flows.ts';
import { defineSchedule, listDecisions, makeTurns, readFires } from '../../support/schedules.ts';

let database: TestDatabase;
let app: App;
beforeAll(async () => {
  database = await createDatabase();
  app = await makeWholeApp(database.db);
});
afterAll(async () => {
  await app.close();
  await database.drop();
});

const get = (path: string) => app.inject({ method: 'GET', url: `/flows/${path}` });
const post = (path: string) => app.inject({ method: 'POST', url: `/flows/${path}` });
const since = (ms: number) => new Date(Date.now() - ms).toISOString();

describe('GET', () => {
  test('shows the next times of a flow, active or not, with their local times', async () => {
    await defineFlow(database.db, 'idle', [{ program: 'empty' }]);
    await database.db.pool.query(
      `update ms_flow set cron = '30 2 * * *', timezone = 'Asia/Kolkata' where task_id = 'idle'`,
    );
    const { statusCode, json } = await get('idle/schedule?next=3').then((answer) => ({
      statusCode: answer.statusCode,
      json: answer.json(),
    }));
    expect(statusCode).toBe(200);
    expect(json.data).toMatchObject({
      flow: 'idle',
      status: 'inactive',
      cron: '30 2 * * *',
      timezone: 'Asia/Kolkata',
      description: 'At 02:30',
      dueExecution: null,
      paused: false,
      policy: { misfire: 'last', overlap: 'allow', catchUpWindow: 3_600_000, jitter: 0 },
      decisions: [],
    });
    expect(json.data.next).toHaveLength(3);
    for (const { scheduledAt, localTime, dueAt } of json.data.next) {
      expect(localTime).toMatch(/T02:30:00\+05:30$/);
      expect(scheduledAt).toMatch(/T21:00:00\.000Z$/);
      expect(dueAt).toBe(scheduledAt);
    }
  });

  test('shows ten times unless told otherwise, jitter included, and what became of the last ones', async () => {
    const policy = { jitter: '20s', misfire: 'none' };
    await defineSchedule(database.db, 'busy', { cron: '* * * * *', since: since(150_000), policy });
    await makeTurns(database.db)(Date.now());
    const { data } = (await get('busy/schedule')).json();
    expect(data.next).toHaveLength(10);
    expect(data.dueExecution).not.toBeNull();
    for (const { scheduledAt, dueAt } of data.next) {
      const jitter = Date.parse(dueAt) - Date.parse(scheduledAt);
      expect(jitter).toBeGreaterThanOrEqual(0);
      expect(jitter).toBeLessThan(20_000);
    }
    const fires = await readFires(database.db, 'busy');
    expect(data.decisions.map(({ decision }: { decision: string }) => decision)).toEqual(
      fires.map(({ decision }) => decision).toReversed(),
    );
  });

  test('refuses what it cannot show, by name', async () => {
    await defineFlow(database.db, 'plain', [{ program: 'empty' }]);
    expect((await get('plain/schedule')).json().errors).toMatchObject([
      { code: 404, error: 'SCHEDULE_NOT_FOUND', message: expect.stringContaining('no cron') },
    ]);
    expect((await get('nowhere/schedule')).statusCode).toBe(404);
    expect((await get('plain/schedule?next=1001')).statusCode).toBe(400);
    expect((await get('plain/schedule?nxt=1')).statusCode).toBe(400);
    await database.db.pool.query(`update ms_flow set cron = '0 0 31 2 *' where task_id = 'plain'`);
    expect((await get('plain/schedule')).json().errors).toMatchObject([
      { code: 409, message: expect.stringMatching(/^Invalid cron expression\. .* never fires/) },
    ]);
  });

  test('does not show a flow of another tenant', async () => {
    await defineFlow(database.db, 'foreign', [{ program: 'empty' }]);
    await database.db.pool.query(
      `update ms_flow set cron = '* * * * *', tenant = 'other' where task_id = 'foreign'`,
    );
    for (const answer of [await get('foreign/schedule'), await post('foreign/schedule/pause')])
      expect(answer.statusCode).toBe(404);
  });
});

describe('pause and resume', () => {
  test('a paused schedule fires nothing; resumed, it goes on with its next time', async () => {
    await defineSchedule(database.db, 'rests', { cron: '* * * * * *', since: since(5_000) });
    const turnAt = makeTurns(database.db);
    expect((await post('rests/schedule/pause')).json()).toEqual({
      data: { id: 'rests', paused: true },
      meta: {},
    });
    expect((await post('rests/schedule/pause')).statusCode).toBe(200);
    await turnAt(Date.now());
    expect(await listDecisions(database.db, 'rests')).toEqual([]);
    expect((await get('rests/schedule')).json().data.paused).toBe(true);

    expect((await post('rests/schedule/resume')).json().data).toEqual({ id: 'rests', paused: false });
    const [missed, ...others] = await readFires(database.db, 'rests');
    expect(missed).toMatchObject({ decision: 'missed', reason: 'the schedule was paused' });
    expect(others).toEqual([]);
    await turnAt(Date.now() + 2_000);
    const fires = await readFires(database.db, 'rests');
    expect(fires.slice(1).every(({ decision }) => decision === 'fired')).toBe(true);
    expect(fires.length).toBeGreaterThan(1);
    expect(fires[1]!.slot > missed!.through!).toBe(true);
  });

  test('only of a flow that is active', async () => {
    await defineFlow(database.db, 'still', [{ program: 'empty' }]);
    await database.db.pool.query(`update ms_flow set cron = '* * * * *' where task_id = 'still'`);
    for (const verb of ['pause', 'resume'])
      expect((await post(`still/schedule/${verb}`)).json().errors).toMatchObject([
        { code: 409, error: 'SCHEDULE_INACTIVE', message: expect.stringContaining('inactive') },
      ]);
  });
});
