// What a person does to executions and their tasks, one statement each. Called by registrar/control.ts inside a transaction that
// holds the executions; statuses that follow are worked out by umbel_wire at its end.
import { sql } from 'kysely';
import type { JsonObject } from '../dag/vocabulary.ts';
import type { Database, Db, Tx } from './database.ts';
import { isRetryable } from './failures.ts';

/** `kr_flow_stat.flow_status`. */
export type FlowStatus =
  'open' | 'paused' | 'success' | 'failed' | 'aborted' | 'compensating' | 'compensation_failed';

export interface HeldExecution {
  id: string;
  status: FlowStatus;
}

export interface FoundTask {
  flow: string;
  seq: string;
  execStatus: number;
  reason: string | null;
}

const TRIES = 5;

/** Runs the work in one transaction; again when it lost against another one. */
export async function withTransaction<T>(db: Database, work: (tx: Tx) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await db.kysely.transaction().execute(work);
    } catch (error) {
      if (!isRetryable(error) || tries >= TRIES) throw error;
    }
  }
}

/** Locks those of the executions that the tenant has, tasks first, and returns how they stand, by id. */
export async function lockExecutions(tx: Tx, tenant: string, ids: string[]): Promise<HeldExecution[]> {
  const own = ownOf(tenant, ids);
  await sql`select umbel_lock_executions(array(select e.id from (${own}) e))`.execute(tx);
  return (await own.execute(tx)).rows;
}

/** The same; locks with them the executions that their tasks started and that have not ended, and theirs. */
export async function lockFamilies(tx: Tx, tenant: string, ids: string[]): Promise<HeldExecution[]> {
  const own = ownOf(tenant, ids);
  await sql`select umbel_lock_executions(umbel_family(array(select e.id from (${own}) e)))`.execute(tx);
  return (await own.execute(tx)).rows;
}

const ownOf = (tenant: string, ids: string[]) => sql<HeldExecution>`
  select f.task_flow_id::text id, f.flow_status status from kr_flow_stat f
  where f.task_flow_id = any (${ids}) and f.tenant = ${tenant} order by f.task_flow_id`;

/** Pauses, aborts or resumes, by the status that is written: a trigger carries it out on the tasks. */
export async function setFlowStatus(
  tx: Tx,
  ids: string[],
  status: 'open' | 'paused' | 'aborted',
): Promise<void> {
  await sql`update kr_flow_stat set flow_status = ${status} where task_flow_id = any (${ids})`.execute(tx);
}

/** Lets tasks go on that a hand held or suspended, each by itself. */
export async function releaseTasks(tx: Tx, ids: string[]): Promise<void> {
  await sql`
    update kr_task_stat t set
      hold = false,
      exec_status = case when t.exec_status = 2 and t.reason = 'operator' then 0 else t.exec_status end
    where t.task_flow_id = any (${ids}) and (t.hold or t.exec_status = 2 and t.reason = 'operator')`.execute(
    tx,
  );
}

/** The tasks of that name (`step_id`, or else the exec seq) in these executions, at most one in each. */
export async function findTasks(tx: Db, ids: string[], step: string): Promise<FoundTask[]> {
  const { rows } = await sql<FoundTask>`
    select distinct on (t.task_flow_id) t.task_flow_id flow, trim_scale(t.task_exec_seq)::text seq,
      t.exec_status::int "execStatus", t.reason
    from kr_task_stat t
    left join ms_plan p on p.version = t.version and p.task_exec_seq = t.task_exec_seq
    left join ms_task_definition d on t.version is null and d.task_id = t.task_id and d.task_seq = t.task_seq
    where t.task_flow_id = any (${ids})
      and ${step} in (p.step, d.step_id, trim_scale(d.task_seq)::text, trim_scale(t.task_exec_seq)::text)
    order by t.task_flow_id, ${step} is distinct from coalesce(p.step, d.step_id), t.task_exec_seq`.execute(
    tx,
  );
  return rows;
}

/** The tasks of these executions that stand failed. */
export async function findFailedTasks(tx: Tx, ids: string[]): Promise<FoundTask[]> {
  const { rows } = await sql<FoundTask>`
    select t.task_flow_id flow, trim_scale(t.task_exec_seq)::text seq, t.exec_status::int "execStatus", t.reason
    from kr_task_stat t where t.task_flow_id = any (${ids}) and t.exec_status = 2 and t.reason = 'failed'
    order by t.task_flow_id, t.task_exec_seq`.execute(tx);
  return rows;
}

/** What a rerun takes besides the tasks. */
export interface RerunOptions {
  /** Replaces parameters of the tasks, by key. */
  params: JsonObject | null;
  /** Whether everything that comes after them is done again too. */
  downstream: boolean;
}

/**
 * Sets tasks back to Wait, ended or not; what was decided by hand for those that come after them stays. Lifts the abort of an
 * aborted execution, and what a failure stopped, and keeps them held in a paused one.
 */
export async function rerunTasks(tx: Tx, tasks: FoundTask[], options: RerunOptions): Promise<void> {
  const flows = tasks.map(({ flow }) => flow);
  const seqs = tasks.map(({ seq }) => seq);
  const params = options.params === null ? null : JSON.stringify(options.params);
  await sql`update kr_flow_stat set error = null, output = null where task_flow_id = any (${flows})`.execute(
    tx,
  );
  await sql`
    with recursive target as (
      select * from unnest(${flows}::text[], ${seqs}::numeric[]) u(flow, seq)
    ), again as (
      select flow, seq from target
      union
      select a.flow, child from again a
      join kr_task_stat t on t.task_flow_id = a.flow and t.task_exec_seq = a.seq
      cross join lateral unnest(t.releases) child
      where ${options.downstream}
    )
    update kr_task_stat t set
      exec_status = 0, reason = null, hold = f.flow_status = 'paused', error = null, checkpoint = null, delivered = null, retried = 0,
      parameters = case when ${params}::jsonb is not null and (t.task_flow_id, t.task_exec_seq) in (select * from target)
        then (t.parameters::jsonb || ${params}::jsonb)::json else t.parameters end
    from kr_flow_stat f
    where t.task_flow_id = any (${flows}) and f.task_flow_id = t.task_flow_id
      and ((t.task_flow_id, t.task_exec_seq) in (select * from target)
        or (f.flow_status in ('aborted', 'failed') and t.exec_status = 9 and t.reason = 'aborted')
        or ((t.task_flow_id, t.task_exec_seq) in (select * from again)
          and t.exec_status <> 0 and coalesce(t.reason, '') not in ('operator', 'not_selected')))`.execute(
    tx,
  );
  await wakeSleepers(tx, flows, seqs);
}

/** Sets tasks to Ignore as an operator does: those that come after them go on. */
export async function skipTasks(tx: Tx, tasks: FoundTask[]): Promise<void> {
  await sql`
    update kr_task_stat t set exec_status = 9, reason = 'operator', hold = false
    from unnest(${tasks.map(({ flow }) => flow)}::text[], ${tasks.map(({ seq }) => seq)}::numeric[]) u(flow, seq)
    where t.task_flow_id = u.flow and t.task_exec_seq = u.seq`.execute(tx);
}

/** A task that waited for a time waits no longer, and what was handed out for its attempts so far counts no more. Its status stays as it is, so no trigger sees that it is ready. */
async function wakeSleepers(tx: Tx, flows: string[], seqs: string[]): Promise<void> {
  await sql`
    delete from kr_timer k using unnest(${flows}::text[], ${seqs}::numeric[]) u(flow, seq)
    where k.task_flow_id = u.flow and k.task_exec_seq = u.seq`.execute(tx);
  await sql`
    delete from kr_wait w using unnest(${flows}::text[], ${seqs}::numeric[]) u(flow, seq)
    where w.task_flow_id = u.flow and w.task_exec_seq = u.seq`.execute(tx);
  await sql`
    delete from kr_limit l using unnest(${flows}::text[], ${seqs}::numeric[]) u(flow, seq)
    where l.task_flow_id = u.flow and l.task_exec_seq = u.seq`.execute(tx);
  await sql`select umbel_wire(flow) from (select distinct flow from unnest(${flows}::text[]) flow order by 1) u`.execute(
    tx,
  );
}
