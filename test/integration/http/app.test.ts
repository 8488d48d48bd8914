import { afterEach, describe, expect, it } from 'vitest';
import { makeApp, type App } from '../../../src/http/app.ts';
import { makeRegistrar } from '../../../src/registrar/registrar.ts';
import { makeSchedules } from '../../../src/triggers/schedules.ts';
import { openDatabase, type Database } from '../../../src/sql/database.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { makeDoor, type Door } from '../../support/door.ts';
import { makeNoHooks } from '../../support/hooks.ts';

let database: TestDatabase;
let door: Door;
let db: Database;
let app: App;

async function start(options: { empty?: boolean } = {}) {
  database = await createDatabase(options);
  door = await makeDoor(database.url);
  db = openDatabase({ url: door.url });
  const log = { warn: () => {}, error: () => {} };
  app = await makeApp({
    ...makeRegistrar({ db, wake: () => {} }),
    hooks: makeNoHooks(),
    schedules: makeSchedules(db),
    log,
  });
}
afterEach(async () => {
  await app.close();
  await db.close();
  await door.shut();
  await database.drop();
});

const post = (url: string) => app.inject({ method: 'POST', url });

describe('the register server', () => {
  it('registers and shows what it registered', async () => {
    await start();
    await database.db.pool.query(
      `insert into ms_task_definition (task_id, task_seq, program) values ('a/b', 1, 'empty')`,
    );
    const registered = await post('/register/a/b/');
    expect(registered.statusCode).toBe(200);
    const { taskFlowId } = registered.json<{ taskFlowId: string }>();
    const shown = await app.inject(`/executions/${taskFlowId}`);
    expect(shown.json()).toMatchObject({
      data: {
        id: taskFlowId,
        flow: 'a/b',
        status: 'stopped',
        trigger: { kind: 'register', user: 'local' },
        tasks: [{ seq: 1 }],
      },
    });
    expect((await app.inject('/executions')).json()).toMatchObject({ data: [{ id: taskFlowId }], meta: {} });
    expect((await post('/register/nope')).json()).toEqual({
      status: 'failed',
      taskId: 'nope',
      description: 'no tasks registered',
    });
  });

  it('names every problem of a definition and writes nothing', async () => {
    await start();
    await database.db.pool.query(
      `insert into ms_task_definition (task_id, task_seq, program, step_id, after) values
         ('bad', 1, 'A', 'a', '{b}'), ('bad', 2, 'B', 'b', '{a}'), ('bad', 3, 'C', 'c', '{nowhere}')`,
    );
    const answer = await post('/register/bad');
    expect(answer.statusCode).toBe(422);
    expect(answer.json<{ errors: object[] }>().errors.length).toBeGreaterThanOrEqual(2);
    expect((await database.db.pool.query('select from kr_flow_stat')).rowCount).toBe(0);
  });

  it('answers 503 while the database is away, lives, and serves again when it is back', async () => {
    await start();
    await database.db.pool.query(
      `insert into ms_task_definition (task_id, task_seq, program) values ('load', 1, 'empty')`,
    );
    expect((await post('/register/load')).statusCode).toBe(200);
    await door.shut();
    for (const url of ['/readyz', '/executions']) {
      const answer = await app.inject(url);
      expect([url, answer.statusCode]).toEqual([url, 503]);
      expect(answer.headers['retry-after']).toBeTruthy();
    }
    const refused = await post('/register/load');
    expect(refused.statusCode).toBe(503);
    expect(refused.json()).toMatchObject({ status: 'failed', taskId: 'load' });
    expect((await app.inject('/healthz')).statusCode).toBe(200);
    await door.open();
    expect((await app.inject('/readyz')).statusCode).toBe(200);
    expect((await post('/register/load')).statusCode).toBe(200);
  });

  it('is not ready before the migrations ran', async () => {
    await start({ empty: true });
    const answer = await app.inject('/readyz');
    expect(answer.statusCode).toBe(503);
    expect(answer.json()).toMatchObject({
      status: 'unavailable',
      reason: expect.stringContaining('umbel migrate up'),
    });
  });
});
