// A database that Flower made: its tables with its rows become ours, and stay Flower's when we go.
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../../src/sql/database.ts';
import { migrateDown, migrateUp, migrationStatus } from '../../../src/sql/migrate.ts';
import { createDatabase, servers, type TestDatabase } from '../../support/database.ts';
import { insertRows } from '../../support/hands.ts';
import { readExecution, readStatuses, readTasks, setStatus } from '../../support/rows.ts';
import { joinWatcher, runAll } from '../../support/runs.ts';

const FLOWERS_TABLES = `
  create table ms_task_definition (
    task_id varchar(256) not null, task_seq numeric not null, program varchar(256) not null, task_priority numeric not null,
    param1_key varchar(1024), param1_value varchar(1024), param2_key varchar(1024), param2_value varchar(1024),
    param3_key varchar(1024), param3_value varchar(1024), param4_key varchar(1024), param4_value varchar(1024),
    param5_key varchar(1024), param5_value varchar(1024),
    constraint definition_key primary key (task_id, task_seq));
  create table kr_task_stat (
    task_flow_id varchar(256) not null, task_exec_seq numeric not null, depends_task_exec_seq numeric not null, task_id varchar(256) not null,
    task_seq numeric not null, exec_status numeric not null,
    task_priority numeric not null default 0 constraint sane_priority check (-20 <= task_priority and task_priority < 20),
    parameters json not null, registered_ts timestamptz, started_ts timestamptz, finished_ts timestamptz, suspended_ts timestamptz,
    constraint stat_key primary key (task_flow_id, task_exec_seq))`;

/** Executions by name: the statuses of a chain's rows. */
const EXECUTIONS: Record<string, number[]> = {
  done: [3, 3, 3],
  ignored: [3, 9, 3],
  fresh: [0, 0, 0],
  halfway: [3, 0, 0],
  running: [3, 1, 0],
  suspended: [3, 2, 0],
};
const FLOWERS_ROWS = `select task_flow_id, task_exec_seq, depends_task_exec_seq, task_id, task_seq, exec_status, task_priority, parameters,
  registered_ts, started_ts, finished_ts, suspended_ts from kr_task_stat order by task_flow_id, task_exec_seq`;

describe.each(servers())('on $name', ({ server }) => {
  let database: TestDatabase;
  let db: Database;
  beforeEach(async () => {
    database = await createDatabase({ server, empty: true });
    db = database.db;
    await db.pool.query(FLOWERS_TABLES);
    await db.pool.query(
      `insert into ms_task_definition (task_id, task_seq, program, task_priority, param1_key, param1_value)
       values ('example', 1, 'EchoRandomTimeSleep', 0, null, null), ('example', 2, 'EchoParamTimeSleep', 0, 'SLEEP_TIME_SECOND', '3')`,
    );
    for (const [flow, statuses] of Object.entries(EXECUTIONS))
      await db.pool.query(
        `insert into kr_task_stat
         select $1, n, case n when 1 then -1 else n - 1 end, 'example', n, status, 0, '{"K": "v"}', now(), case when status > 0 then now() end,
                case when status = 3 then now() end, case when status = 2 then now() end
         from unnest($2::numeric[]) with ordinality u(status, n)`,
        [flow, statuses],
      );
  });
  afterEach(() => database.drop());

  const statuses = async () =>
    Object.fromEntries(
      await Promise.all(
        Object.keys(EXECUTIONS).map(async (flow) => [flow, await readStatuses(db, flow)] as const),
      ),
    );
  const rowsOf = async (query: string): Promise<unknown[]> => (await db.pool.query<object>(query)).rows;
  const down = async () =>
    migrateDown({ url: database.url, count: (await migrationStatus(db.kysely)).length });

  test('keeps its rows; only what ran without a watcher waits again', async () => {
    const before = (await rowsOf(FLOWERS_ROWS)) as { exec_status: string }[];
    await migrateUp({ url: database.url });
    const expected = before.map((row) => (row.exec_status === '1' ? { ...row, exec_status: '0' } : row));
    expect(await rowsOf(FLOWERS_ROWS)).toEqual(expected);
    expect(await readTasks(db, 'ignored')).toMatchObject([
      { reason: null },
      { reason: 'operator' },
      { reason: null },
    ]);
    expect(await readTasks(db, 'suspended')).toMatchObject([
      { waitingOn: 0 },
      { reason: 'operator' },
      { waitingOn: 1 },
    ]);
    expect(await rowsOf('select task_id, revision, max_running from ms_flow')).toEqual([
      { task_id: 'example', revision: '1', max_running: null },
    ]);
  });

  test('knows how its executions stand', async () => {
    await migrateUp({ url: database.url });
    const executions = await Promise.all(
      Object.keys(EXECUTIONS).map(async (flow) => {
        const { status, active, finished } = (await readExecution(db, flow))!;
        return [flow, status, active, finished !== null];
      }),
    );
    expect(executions).toEqual([
      ['done', 'success', 0, true],
      ['ignored', 'success', 0, true],
      ['fresh', 'open', 1, false],
      ['halfway', 'open', 1, false],
      ['running', 'open', 1, false],
      ['suspended', 'open', 0, false],
    ]);
  });

  test('runs on where Flower left off, and takes edits and reruns', async () => {
    await migrateUp({ url: database.url });
    const watcher = await joinWatcher(db);
    expect((await runAll(watcher)).toSorted()).toEqual(
      ['fresh/1', 'fresh/2', 'fresh/3', 'halfway/2', 'halfway/3', 'running/2', 'running/3'].toSorted(),
    );
    await setStatus(db, 'suspended', 2, 0);
    await setStatus(db, 'done', 1, 0);
    await insertRows(db.pool, 'ignored', [[4, 3]]);
    expect((await runAll(watcher)).toSorted()).toEqual(['done/1', 'ignored/4', 'suspended/2', 'suspended/3']);
    expect(await statuses()).toEqual({
      ...Object.fromEntries(Object.keys(EXECUTIONS).map((flow) => [flow, [3, 3, 3]])),
      ignored: [3, 9, 3, 3],
    });
    await db.pool.query(
      `insert into ms_task_definition (task_id, task_seq, program) values ('new', 1, 'empty')`,
    );
  });

  test('compares execution ids byte by byte, whatever its collation was', async () => {
    await migrateUp({ url: database.url });
    const { rows } = await db.pool.query(
      `select collname from pg_attribute a join pg_collation c on c.oid = a.attcollation
       where attrelid = 'kr_task_stat'::regclass and attname = 'task_flow_id'`,
    );
    expect(rows).toEqual([{ collname: 'C' }]);
  });

  test('can be altered by a later migration of the same transaction', async () => {
    const dir = await mkdtemp(path.join(tmpdir(), 'umbel-migrations-'));
    await cp('migrations', dir, { recursive: true });
    const later =
      '-- Up Migration\nalter table kr_task_stat add column later int;\n-- Down Migration\nalter table kr_task_stat drop column later;\n';
    await writeFile(path.join(dir, '9999_later.sql'), later);
    expect(await migrateUp({ url: database.url, dir })).toContain('9999_later');
    await rm(dir, { recursive: true });
  });

  test('is Flower’s again after going down, and ours again after going up', async () => {
    await migrateUp({ url: database.url });
    await setStatus(db, 'halfway', 2, 3);
    const before = await rowsOf(FLOWERS_ROWS);
    await down();
    expect(await rowsOf('select * from kr_task_stat order by task_flow_id, task_exec_seq')).toEqual(before);
    expect(await rowsOf('select * from ms_task_definition')).toHaveLength(2);
    await db.pool.query(`insert into kr_task_stat values ('again', 1, -1, 'example', 1, 0, 0, '{}')`);
    await migrateUp({ url: database.url });
    const watcher = await joinWatcher(db);
    const ran = await runAll(watcher);
    expect(ran).toContain('again/1');
    expect(ran).toContain('halfway/3');
  });
});
