import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { examine, findUnreachableServer } from '../../../src/registrar/doctor.ts';
import { findClockSkew } from '../../../src/registrar/doctor-server.ts';
import { openDatabase } from '../../../src/sql/database.ts';
import { listOldSnapshots, VACUUM } from '../../../src/sql/doctor-server.ts';
import { readIndexes } from '../../../src/sql/indexes.ts';
import { createDatabase, servers, type TestDatabase } from '../../support/database.ts';

describe.each(servers())('on $name', ({ server }) => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase({ server });
  });
  afterAll(() => database.drop());
  afterEach(() =>
    query('truncate kr_task_stat, kr_flow_stat, kr_claim, kr_watcher, ms_task_definition, ms_flow cascade'),
  );

  const query = async (text: string, values: unknown[] = []) =>
    (await database.db.pool.query<Record<string, unknown>>(text, values)).rows;
  /** What is wrong with the database; how its server is set is not for a test to say. */
  const find = async (db = database.db) =>
    (await examine({ db, serverUrl: undefined })).filter(
      ({ what }) => !what.startsWith("The server's setting"),
    );
  const addWatcher = async (rest: { pool?: string; programs?: string[]; overdue?: number } = {}) => {
    const { pool = 'default', programs = ['empty'], overdue = -15 } = rest;
    const rows = await query(
      `insert into kr_watcher (name, pool, workers, programs, release, lease_until)
       values ('box:1', $1, 1, $2, '1', now() - $3 * interval '1 second') returning watcher_id id`,
      [pool, programs, overdue],
    );
    return rows[0]!['id'] as number;
  };
  const addTask = (flow: string, rest: { pool?: string; status?: number; watcher?: number } = {}) =>
    query(
      `insert into kr_task_stat (task_flow_id, task_exec_seq, depends_task_exec_seq, task_id, task_seq, exec_status, parameters,
         waiting_on, live, ready, pool, watcher_id) values ($1, 1, -1, 'f', 1, $2::int, '{}', 0, 1, $2::int = 0, $3, $4)`,
      [flow, rest.status ?? 0, rest.pool ?? 'default', rest.watcher ?? null],
    );

  it('finds nothing where all is well', async () => {
    await addWatcher();
    await query(`insert into ms_task_definition (task_id, task_seq, program) values ('f', 1, 'empty')`);
    await addTask('e');
    expect(await find()).toEqual([]);
  });

  it('says that no watcher lives, and which pools nobody serves', async () => {
    await addTask('e1', { pool: 'a' });
    await addTask('e2', { pool: 'a' });
    await addTask('e3', { pool: 'b' });
    await addTask('e4', { pool: 'done', status: 3 });
    const found = await find();
    expect(found.map(({ check }) => check)).toEqual(['watchers', 'pools', 'pools']);
    expect(found.map(({ what }) => what).join()).toMatch(/No watcher lives.*"a".*"b"/);
    expect(found[1]?.remedy).toContain('umbel watch --pool a');
  });

  it('names watchers that are long overdue, and what runs under them', async () => {
    await addWatcher();
    const dead = await addWatcher({ overdue: 300 });
    await addTask('e', { status: 1, watcher: dead });
    await query(`insert into kr_claim values ($1, 1, 0, '{e}', '{1}'), ($1, 2, 0, '{e}', '{1}')`, [dead]);
    const found = await find();
    expect(found.map(({ check }) => check)).toEqual(['watchers', 'orphans']);
    expect(found[0]?.what).toContain(`Watcher ${dead} (box:1, pool "default") is overdue by 5 min`);
    expect(found[1]?.what).toContain(`1 tasks are Running under watcher ${dead}`);
  });

  it('names programs that no live watcher of their pool knows, with the flows that use them', async () => {
    await addWatcher({ programs: ['empty', 'other'] });
    await addWatcher({ programs: ['gone'], overdue: 5 });
    await query(`insert into ms_task_definition (task_id, task_seq, program, pool) values
      ('g', 1, 'gone', null), ('f', 1, 'gone', 'default'), ('f', 2, 'empty', null), ('h', 1, 'gone', 'elsewhere')`);
    const found = await find();
    expect(found).toMatchObject([{ check: 'programs', level: 'problem' }]);
    expect(found[0]?.what).toContain('"gone", which is used by: f, g.');
  });

  it('names schedules that nobody fires', async () => {
    const findSchedules = async () => (await find()).filter(({ check }) => check === 'schedules');
    await query(
      `insert into ms_task_definition (task_id, task_seq, program) values ('forgotten', 1, 'empty')`,
    );
    await query(`update ms_flow set cron = '* * * * *', status = 'active'`);
    expect(await findSchedules()).toEqual([]);
    await query(`update ms_schedule set decided_to = now() - interval '2 hours'`);
    expect(await findSchedules()).toMatchObject([
      {
        level: 'problem',
        what: 'The schedule of "forgotten" is overdue by up to 2 h: no scheduler fires it.',
      },
    ]);
    await query('update ms_schedule set paused = true');
    expect(await findSchedules()).toEqual([]);
  });

  it('tells a queue that moves from one that never will', async () => {
    await addWatcher();
    await query(`insert into ms_flow (task_id, max_running) values ('moves', 1), ('stands', 1)
      on conflict (task_id) do update set max_running = 1`);
    await query(`insert into kr_flow_stat (task_flow_id, task_id, place, flow_status) values
      ('a', 'moves', 1, 'open'), ('b', 'moves', 0, 'open'), ('c', 'stands', 1, 'failed'), ('d', 'stands', 0, 'open'), ('e', 'stands', 0, 'open')`);
    const found = await find();
    expect(found.map(({ level, check }) => [level, check])).toEqual([
      ['note', 'places'],
      ['problem', 'places'],
    ]);
    expect(found[1]?.what).toMatch(/^2 executions of "stands" wait/);
  });

  it('names missing and invalid indexes, and changed vacuum settings, with the statement that mends them', async () => {
    const hurt = await createDatabase({ server });
    onTestFinished(hurt.drop);
    const run = (text: string) => hurt.db.pool.query(text);
    await run(
      `insert into kr_watcher (name, pool, workers, release, lease_until) values ('x', 'default', 1, '1', now() + interval '1 h')`,
    );
    await run('drop index kr_flow_stat_newest');
    await run(`insert into kr_flow_stat (task_flow_id, task_id) values ('a', 'same'), ('b', 'same')`);
    await run('create unique index concurrently kr_flow_stat_twice on kr_flow_stat (task_id)').catch(
      () => undefined,
    );
    await run(
      'alter table kr_task_stat set (autovacuum_enabled = false, autovacuum_vacuum_scale_factor = 0.5)',
    );
    const found = await find(hurt.db);
    expect(found.map(({ check, level }) => `${check} ${level}`)).toEqual([
      'indexes problem',
      'indexes problem',
      'autovacuum problem',
      'autovacuum note',
    ]);
    for (const { remedy } of found) await run(remedy.replace('Unless that is meant: ', ''));
    expect(await find(hurt.db)).toEqual([]);
  });

  it('knows the indexes and settings that the migrations make', async () => {
    const indexes = await query(`select indexname, replace(indexdef, 'public.', '') def from pg_indexes
      where schemaname = 'public' and tablename ~ '^(kr|ms)_' and indexname !~ '_pkey$'`);
    expect(new Set(indexes.map(({ indexname }) => indexname))).toEqual(new Set((await readIndexes()).keys()));
    const vacuum = await query(
      `select relname, jsonb_object_agg(o.option_name, o.option_value) options
      from pg_class c cross join lateral pg_options_to_table(c.reloptions) o where relname = any ($1) and o.option_name like 'autovacuum%' group by 1`,
      [Object.keys(VACUUM)],
    );
    expect(Object.fromEntries(vacuum.map(({ relname, options }) => [relname, options]))).toEqual(VACUUM);
  });

  it('names whoever holds an old snapshot', async () => {
    const holder = openDatabase({ url: database.url, applicationName: 'the report', max: 1 });
    const session = await holder.pool.connect();
    onTestFinished(async () => {
      session.release();
      await holder.close();
    });
    await session.query('begin isolation level repeatable read');
    const { rows } = await session.query<{ pid: number }>('select pg_backend_pid() pid');
    const old = await listOldSnapshots(database.db.kysely, 0, 1_000_000);
    const found = old.find(({ name }) => name === String(rows[0]?.pid));
    expect(found).toMatchObject({
      kind: 'session',
      holder: expect.stringMatching(/the report.*idle in transaction/),
    });
    expect(await listOldSnapshots(database.db.kysely, 3_600, 1_000_000)).toEqual([]);
  });

  it('measures by how much the clocks differ', async () => {
    expect(await findClockSkew(database.db.kysely)).toEqual([]);
    const [ahead] = await findClockSkew(database.db.kysely, () => Date.now() + 3_600_000);
    expect(ahead?.what).toMatch(/^This machine's clock is 3\d{6} ms ahead of/);
    const [behind] = await findClockSkew(database.db.kysely, () => Date.now() - 3_600_000);
    expect(behind?.what).toContain('behind');
  });

  it('stops at a schema that is not current', async () => {
    const bare = await createDatabase({ server, empty: true });
    onTestFinished(bare.drop);
    const found = await find(bare.db);
    expect(found).toMatchObject([{ check: 'migrations', remedy: 'umbel migrate up' }]);
  });
});

it('says that the database does not answer, and goes on to the register server', async () => {
  const db = openDatabase({ url: 'postgres://nobody@127.0.0.1:1/none' });
  const found = await examine({ db, serverUrl: 'http://127.0.0.1:1' });
  await db.close();
  expect(found.map(({ check }) => check)).toEqual(['database', 'register']);
  expect(found[1]?.what).toMatch(/does not answer/);
});

it('repeats what a register server that is not ready says', async () => {
  const server = createServer((_request, reply) => reply.writeHead(503).end('{"reason":"no schema"}')).listen(
    0,
  );
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const [found] = await findUnreachableServer(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  expect(found?.what).toMatch(/is not ready: it answers 503 .*no schema/);
});
