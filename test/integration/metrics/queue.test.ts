import { Registry } from 'prom-client';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/log.ts';
import { addDatabaseMetrics } from '../../../src/metrics/database.ts';
import { openDatabase } from '../../../src/sql/database.ts';
import { readQueue } from '../../../src/sql/queue.ts';
import { createDatabase, servers, type TestDatabase } from '../../support/database.ts';

describe.each(servers())('on $name', ({ server }) => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase({ server });
  });
  afterAll(() => database.drop());
  beforeEach(() => query('truncate kr_task_stat, kr_flow_stat, kr_claim, kr_watcher'));

  const query = (text: string) => database.db.pool.query(text);
  /** So many tasks that stand alike. */
  const add = (name: string, many: number, columns: string, values: string) =>
    query(`insert into kr_task_stat (task_flow_id, task_exec_seq, depends_task_exec_seq, task_id, task_seq, parameters, waiting_on, live, ${columns})
      select '${name}' || n, 1, -1, 'f', 1, '{}', 0, 1, ${values} from generate_series(1, ${many}) n`);

  it('counts what is ready by pool and priority, and what watchers hold by whether it has begun', async () => {
    await add('a', 3, 'exec_status, ready', '0, true');
    await add('b', 2, 'exec_status, ready, task_priority, pool', `0, true, -5, 'gpu'`);
    await add('c', 2, 'exec_status, watcher_id, started_ts', '1, 7, now()');
    await add('d', 4, 'exec_status, watcher_id', '1, 7');
    await add('e', 9, 'exec_status', '3');
    await query(
      `insert into kr_claim select 7, 1, 0, array_agg(task_flow_id), array_agg(task_exec_seq) from kr_task_stat`,
    );
    const depths = await readQueue(database.db);
    expect(new Set(depths)).toEqual(
      new Set([
        { pool: 'default', priority: 0, state: 'ready', depth: 3 },
        { pool: 'gpu', priority: -5, state: 'ready', depth: 2 },
        { pool: 'default', priority: 0, state: 'running', depth: 2 },
        { pool: 'default', priority: 0, state: 'ahead', depth: 4 },
      ]),
    );
  });

  it('stops counting a lane at 50,000', async () => {
    await add('a', 50_001, 'exec_status, ready', '0, true');
    await add('b', 1, 'exec_status, ready, task_priority', '0, true, 1');
    expect((await readQueue(database.db)).map(({ depth }) => depth)).toEqual([50_000, 1]);
  });

  it('never reads history, also when the tables were just filled and never analyzed', async () => {
    await add('old', 20_000, 'exec_status', '3');
    await add('new', 5, 'exec_status, ready', '0, true');
    const client = await database.db.pool.connect();
    const countRead = async () => {
      const { rows } = await client.query<{ read: string }>(
        `select seq_tup_read + idx_tup_fetch "read" from pg_stat_xact_user_tables where relname = 'kr_task_stat'`,
      );
      return Number(rows[0]?.read ?? 0);
    };
    await client.query('begin');
    const before = await countRead();
    await client.query('select * from umbel_queue_v1()');
    const after = await countRead();
    await client.query('rollback');
    client.release();
    expect(after - before).toBeLessThan(20);
  });

  it('looks once however many ask, and leaves the queue out when the database is away', async () => {
    await add('a', 3, 'exec_status, ready', '0, true');
    const registry = new Registry();
    const db = openDatabase({ url: database.url, max: 4 });
    addDatabaseMetrics(registry, db, silentLogger(), 60_000);
    const texts = await Promise.all([registry.metrics(), registry.metrics()]);
    await add('b', 3, 'exec_status, ready', '0, true');
    texts.push(await registry.metrics());
    for (const text of texts)
      expect(text).toContain('umbel_queue_depth{pool="default",priority="0",state="ready"} 3');
    await db.close();

    const away = openDatabase({ url: 'postgres://nobody@127.0.0.1:1/none' });
    const lonely = new Registry();
    addDatabaseMetrics(lonely, away, silentLogger());
    const text = await lonely.metrics();
    expect(text).toMatch(/^umbel_database_connections \d/m);
    expect(text).not.toContain('umbel_queue_depth{');
    await away.close();
  });
});
