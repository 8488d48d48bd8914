// Fills the tables as years of use would: finished executions of one task, and executions that stand at a failed task with
// others blocked behind it. Called once for the growth shape.
import { Client } from 'pg';
import type { CaseContext } from '../shape.ts';

const BATCH = 100_000;
const BLOCKED_PER_EXECUTION = 10;

// Ids as registering makes them, only older than any it makes now.
const ID = (prefix: string) =>
  `'${prefix}' || substr(lpad(to_hex(n), 8, '0'), 1, 4) || '-' || substr(lpad(to_hex(n), 8, '0'), 5) || '-7000-8000-' || lpad(to_hex(n), 12, '0')`;
const VERSION = `'00000000-0000-4000-8000-000000000000'::uuid`;

const FINISHED = `
  with filled as (
    insert into kr_task_stat (task_flow_id, task_exec_seq, depends_task_exec_seq, task_id, task_seq, exec_status, parameters,
      registered_ts, started_ts, finished_ts, version, depends, releases, waiting_on, live, attempt, revision, result)
    select ${ID('017a')}, 1, -1, 'history', 1, 3, '{}', t, t, t, ${VERSION}, '{}', '{}', 0, 1, 1, 2, '{"ok": true}'
    from generate_series($1::int, $2::int) n, (select now() - interval '30 days' t) time)
  insert into kr_flow_stat (task_flow_id, task_id, version, flow_status, registered_ts, finished_ts)
  select ${ID('017a')}, 'history', ${VERSION}, 'success', t, t
  from generate_series($1::int, $2::int) n, (select now() - interval '30 days' t) time`;

// One task failed, the others wait for it.
const BLOCKED = `
  with filled as (
    insert into kr_task_stat (task_flow_id, task_exec_seq, depends_task_exec_seq, task_id, task_seq, exec_status, parameters,
      registered_ts, started_ts, suspended_ts, version, depends, releases, waiting_on, live, attempt, revision, reason, error)
    select ${ID('017b')}, seq, case seq when 0 then -1 else 0 end, 'blocked', seq, case seq when 0 then 2 else 0 end, '{}', t,
      case seq when 0 then t end, case seq when 0 then t end, ${VERSION}, case seq when 0 then '{}' else '{0}' end::numeric[],
      case seq when 0 then (select array_agg(s) from generate_series(1, $3::int) s) else '{}' end::numeric[],
      case seq when 0 then 0 else 1 end, 1, case seq when 0 then 1 else 0 end, 2,
      case seq when 0 then 'failed' end, case seq when 0 then '{"name": "ProgramError", "message": "no"}'::jsonb end
    from generate_series($1::int, $2::int) n, generate_series(0, $3::int) seq, (select now() - interval '30 days' t) time)
  insert into kr_flow_stat (task_flow_id, task_id, version, flow_status, registered_ts, finished_ts)
  select ${ID('017b')}, 'blocked', ${VERSION}, 'failed', t, t
  from generate_series($1::int, $2::int) n, (select now() - interval '30 days' t) time`;

export async function fillHistory({ url, history, blocked }: CaseContext): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    for (let n = 1; n <= history; n += BATCH)
      await client.query(FINISHED, [n, Math.min(history, n + BATCH - 1)]);
    const executions = Math.ceil(blocked / BLOCKED_PER_EXECUTION);
    for (let n = 1; n <= executions; n += BATCH / BLOCKED_PER_EXECUTION) {
      const last = Math.min(executions, n + BATCH / BLOCKED_PER_EXECUTION - 1);
      await client.query(BLOCKED, [n, last, BLOCKED_PER_EXECUTION]);
    }
    // What autovacuum would have done long ago must not happen in the middle of a measurement.
    await client.query('vacuum (analyze)');
  } finally {
    await client.end();
  }
}
