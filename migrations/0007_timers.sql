-- Up Migration
-- Times that have come: the tasks that waited for them become ready, or wait no longer for the outside. Any watcher fires the timers of all.

create function umbel_fire_v1(most int) returns table (pool varchar, task_priority numeric) language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set jit = off
as $$
#variable_conflict use_column
declare
  due_flows text[]; due_seqs numeric[];
  late_flows text[]; late_seqs numeric[];
  undone text[];
begin
  perform umbel_expire_v1(k.task_flow_id) from kr_timer k where k.kind = 'deadline' and k.due_ts <= clock_timestamp() order by k.due_ts limit most;
  -- Tasks are locked before their timers, as by everybody; those that somebody else is at now are left for the next time.
  select array_agg(u.flow), array_agg(u.seq) into due_flows, due_seqs from (
      select distinct d.flow, d.seq from (
        select k.task_flow_id flow, k.task_exec_seq seq from kr_timer k where k.due_ts <= clock_timestamp() and k.kind <> 'deadline' order by k.due_ts limit most) d
      order by d.flow, d.seq) u
    cross join lateral (select 1 from kr_task_stat t where t.task_flow_id = u.flow and t.task_exec_seq = u.seq for update skip locked) k;
  if due_flows is null then return; end if;
  with gone as (
    delete from kr_timer k using unnest(due_flows, due_seqs) u(flow, seq)
    where k.task_flow_id = u.flow and k.task_exec_seq = u.seq and k.due_ts <= clock_timestamp() returning u.flow, u.seq, k.kind
  )
  select array_agg(g.flow) filter (where g.kind in ('retry', 'sleep')), array_agg(g.seq) filter (where g.kind in ('retry', 'sleep')),
         array_agg(g.flow) filter (where g.kind in ('wait', 'beat')), array_agg(g.seq) filter (where g.kind in ('wait', 'beat'))
    into due_flows, due_seqs, late_flows, late_seqs from gone g;
  return query with fired as (
    update kr_task_stat t set ready = true, revision = t.revision + 1
    from unnest(due_flows, due_seqs) u(flow, seq)
    where t.task_flow_id = u.flow and t.task_exec_seq = u.seq and t.exec_status = 0 and t.waiting_on = 0 and t.live > 0 and not t.hold and not t.ready
    returning t.pool, t.task_priority
  )
  select f.pool, min(f.task_priority) from fired f group by f.pool;
  -- All of its predecessors were skipped while it waited.
  select array_agg(distinct u.flow) into undone from unnest(due_flows, due_seqs) u(flow, seq)
    cross join lateral (select 1 from kr_task_stat t where t.task_flow_id = u.flow and t.task_exec_seq = u.seq and t.exec_status = 0 and t.live = 0) k;
  perform umbel_wire_undone(undone);
  if late_flows is not null then
    perform umbel_time_out_v1(late_flows, late_seqs);
  end if;
end $$;

-- Down Migration
drop function umbel_fire_v1(int);
