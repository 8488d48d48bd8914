-- Up Migration
-- Times that have come: the tasks that waited for them become ready. Any watcher fires the timers of all.

create function umbel_fire_v1(most int) returns table (pool varchar, task_priority numeric) language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set jit = off
as $$
#variable_conflict use_column
declare
  due_flows text[]; due_seqs numeric[];
begin
  with due as (
    select k.ctid tid from kr_timer k where k.due_ts <= clock_timestamp() order by k.due_ts limit most for update skip locked
  ), gone as (
    delete from kr_timer k using due d where k.ctid = d.tid returning k.task_flow_id flow, k.task_exec_seq seq
  )
  select array_agg(g.flow order by g.flow, g.seq), array_agg(g.seq order by g.flow, g.seq) into due_flows, due_seqs from gone g;
  if due_flows is null then return; end if;
  perform 1 from unnest(due_flows, due_seqs) u(flow, seq)
    cross join lateral (select 1 from kr_task_stat t where t.task_flow_id = u.flow and t.task_exec_seq = u.seq for update) k;
  return query with fired as (
    update kr_task_stat t set ready = true, revision = t.revision + 1
    from unnest(due_flows, due_seqs) u(flow, seq)
    where t.task_flow_id = u.flow and t.task_exec_seq = u.seq and t.exec_status = 0 and t.waiting_on = 0 and not t.hold and not t.ready
    returning t.pool, t.task_priority
  )
  select f.pool, min(f.task_priority) from fired f group by f.pool;
end $$;

-- Down Migration
drop function umbel_fire_v1(int);
