// Schedulers as processes: several of them, killed under way, and all in one with `umbel up`.
import { expect, onTestFinished, test } from 'vitest';
import { createDatabase } from '../support/database.ts';
import { readFires } from '../support/schedules.ts';
import { makeDirectory, startService, startUp, until } from '../support/service.ts';

const startScheduler = async (env: Record<string, string>) => {
  const service = startService(['schedule'], env);
  await service.line(/"msg":"scheduling"/);
  return service;
};

test('schedulers that are killed under way leave no time out and fire none twice', async () => {
  const { db, url, drop } = await createDatabase();
  onTestFinished(drop);
  await db.pool.query(
    `insert into ms_task_definition (task_id, task_seq, program) select 'f' || n, 1, 'empty' from generate_series(1, 40) n`,
  );
  const policy = JSON.stringify({ flowSettings: { schedule: { misfire: 'all' } } });
  const env = { DATABASE_URL: url, POLL_INTERVAL: '200ms' };
  const first = await startScheduler(env);
  const second = await startScheduler(env);
  await db.pool.query(`update ms_flow set cron = '* * * * * *', settings = $1, status = 'active'`, [policy]);
  const countSlots = async () =>
    (await db.pool.query<{ n: number }>('select count(distinct slot)::int n from kr_fire')).rows[0]!.n;
  await until(countSlots, (n) => n >= 3);
  expect(await first.stop('SIGKILL')).toBe('SIGKILL');
  await until(countSlots, (n) => n >= 5);
  expect(await second.stop('SIGKILL')).toBe('SIGKILL');
  const third = await startScheduler(env);
  const seen = await countSlots();
  await until(countSlots, (n) => n >= seen + 3);
  expect(await third.stop('SIGTERM')).toBe(0);
  const { rows } = await db.pool.query<{ gaps: number; fires: number; executions: number; named: number }>(
    `select (select count(*)::int from (
               select slot - lag(slot) over (partition by task_id order by slot) gap from kr_fire) g where gap <> '1 s') gaps,
            (select count(*)::int from kr_fire where decision = 'fired') fires,
            (select count(*)::int from kr_flow_stat) executions,
            (select count(*)::int from kr_fire r join kr_flow_stat f on f.task_flow_id = r.task_flow_id
               and f.trigger ->> 'scheduledAt' = to_char(r.slot at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS".000Z"')) named`,
  );
  const [{ gaps, fires, executions, named }] = rows as [(typeof rows)[number]];
  expect({ gaps, executions, named }).toEqual({ gaps: 0, executions: fires, named: fires });
});

test('umbel up starts what has a cron once its flow is started, until it is stopped', async () => {
  const { db, url, drop } = await createDatabase();
  onTestFinished(drop);
  const up = await startUp(await makeDirectory(), { DATABASE_URL: url });
  const call = async (method: string, path: string, body?: unknown) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await fetch(`${up.address}/flows/tick${path}`, { method, headers, ...sent });
    expect(response.ok).toBe(true);
    return ((await response.json()) as { data: { status: string; dueExecution: string | null } }).data;
  };
  const countEnded = async () => {
    const { rows } = await db.pool.query<{ n: number }>(
      `select count(*)::int n from kr_flow_stat where task_id = 'tick' and flow_status = 'success'`,
    );
    return rows[0]!.n;
  };
  const flow = { cron: '* * * * * *', timezone: 'America/New_York', steps: [{ id: 'a', program: 'empty' }] };
  await call('PUT', '', flow);
  expect(await call('GET', '/schedule')).toMatchObject({ status: 'inactive', dueExecution: null });
  await call('POST', '/start');
  await until(countEnded, (n) => n >= 2);
  expect(await call('GET', '/schedule')).toMatchObject({
    status: 'active',
    dueExecution: expect.stringContaining('T'),
  });
  await call('POST', '/stop');
  await until(
    () => call('GET', '/schedule'),
    ({ status }) => status === 'inactive',
  );
  expect(await call('GET', '/schedule')).toMatchObject({ dueExecution: null });
  expect((await readFires(db, 'tick')).length).toBeGreaterThanOrEqual(2);
  const text = await (await fetch(`${up.address}/metrics`)).text();
  expect(text).toMatch(/umbel_schedule_fires_total\{decision="fired"\} [1-9]/);
  expect(text).toMatch(/umbel_schedule_lateness_seconds_count [1-9]/);
  expect(await up.stop()).toBe(0);
});
