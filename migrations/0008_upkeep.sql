-- Up Migration
-- Retention: ended executions are deleted with their tasks, in batches that wait for nobody and that nobody waits for.

-- Whoever deletes whole executions says so: nothing is left of them to wire.
drop trigger umbel_hand_delete on kr_task_stat;
create trigger umbel_hand_delete after delete on kr_task_stat
  referencing old table as gone for each statement
  when (current_setting('umbel.pruning', true) is distinct from 'on') execute function umbel_hand_delete();

-- One that keeps its place of a flow with max_running holds others back, so it stays.
create function umbel_prunable(flow_status text, finished_ts timestamptz, place smallint, ended_before timestamptz)
returns boolean language sql immutable parallel safe as $$
  select finished_ts < ended_before and flow_status in ('success', 'failed', 'aborted') and place is distinct from 1::smallint
$$;
comment on function umbel_prunable is 'whether an execution that stands so ended before that time, and may go';

-- Looks at the oldest executions after a position, and deletes those that ended before: at most so many tasks, but one execution whole.
-- What somebody else has locked is passed over. Answers where to go on; null when nothing as old is left.
create function umbel_prune_v1(
  ended_before timestamptz, of_flow text, after_ts timestamptz, after_flow text, most_executions int, most_tasks int,
  out executions int, out tasks int, out next_ts timestamptz, out next_flow text
) language plpgsql
set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan set jit = off set umbel.pruning = 'on'
as $$
declare
  seen_times timestamptz[]; seen text[]; old text[]; looked int;
  tids tid[]; tid_flows text[]; cut text;
begin
  executions := 0; tasks := 0;
  select array_agg(w.registered_ts), array_agg(w.task_flow_id),
         array_agg(w.task_flow_id) filter (where umbel_prunable(w.flow_status, w.finished_ts, w.place, ended_before) and (of_flow is null or w.task_id = of_flow))
    into seen_times, seen, old
    from (
      select f.* from kr_flow_stat f where f.registered_ts < ended_before and (f.registered_ts, f.task_flow_id) > (after_ts, after_flow)
      order by f.registered_ts, f.task_flow_id limit most_executions) w;
  if seen is null then return; end if;
  looked := cardinality(seen);

  -- Tasks before executions, as everywhere.
  if old is not null then
    select array_agg(t.tid), array_agg(t.flow) into tids, tid_flows from (
      select k.tid, o.flow from unnest(old) o(flow)
      cross join lateral (
        select t.ctid tid from kr_task_stat t where t.task_flow_id = o.flow order by t.task_exec_seq for update skip locked) k
      limit most_tasks + 1) t;
    if cardinality(tids) > most_tasks then
      cut := tid_flows[most_tasks + 1];
      if tid_flows[1] = cut then
        select array_agg(k.tid), array_agg(cut) into tids, tid_flows from (
          select t.ctid tid from kr_task_stat t where t.task_flow_id = cut order by t.task_exec_seq for update skip locked) k;
        looked := array_position(seen, cut);
        old := old[: array_position(old, cut)];
      else
        looked := array_position(seen, cut) - 1;
        old := old[: array_position(old, cut) - 1];
      end if;
    end if;

    -- Whole ones only: a task that was passed over or has just come keeps its execution.
    old := array(
      select w.flow from (
        select u.flow, 1 n from unnest(tid_flows) u(flow)
        union all
        select o.flow, -(select count(*)::int from kr_task_stat t where t.task_flow_id = o.flow) from unnest(old) o(flow)) w
      group by w.flow having sum(w.n) = 0 order by w.flow);
    old := array(
      select k.flow from unnest(old) o(flow)
      cross join lateral (
        select f.task_flow_id flow from kr_flow_stat f
        where f.task_flow_id = o.flow and umbel_prunable(f.flow_status, f.finished_ts, f.place, ended_before) for update skip locked) k);

    delete from kr_task_stat t using unnest(tids, tid_flows) u(tid, flow) join unnest(old) o(flow) on o.flow = u.flow where t.ctid = u.tid;
    get diagnostics tasks = row_count;
    delete from kr_timer k using unnest(old) o(flow) where k.task_flow_id = o.flow;
    delete from kr_slot_queue q using unnest(old) o(flow) where q.task_flow_id = o.flow;
    delete from kr_task_log l using unnest(old) o(flow) where l.task_flow_id = o.flow;
    delete from kr_wait w using unnest(old) o(flow) where w.task_flow_id = o.flow;
    delete from kr_limit l using unnest(old) o(flow) where l.task_flow_id = o.flow;
    delete from kr_signal s using unnest(old) o(flow) where s.task_flow_id = o.flow;
    delete from kr_flow_stat f using unnest(old) o(flow) where f.task_flow_id = o.flow;
    get diagnostics executions = row_count;
  end if;

  if looked = cardinality(seen) and looked < most_executions then return; end if;
  next_ts := seen_times[looked]; next_flow := seen[looked];
end $$;

-- How much there is to do, for metrics: by lane of the claim index, counted to 50,000 at most, and what watchers hold by the books.
create function umbel_queue_v1() returns table (pool text, priority int, state text, depth bigint) language sql stable
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
  with recursive lane as (
    (select t.pool, t.task_priority from kr_task_stat t where t.ready and not t.limited order by t.pool, t.task_priority limit 1)
    union all
    select n.pool, n.task_priority from lane l cross join lateral (
      select t.pool, t.task_priority from kr_task_stat t where t.ready and not t.limited and (t.pool, t.task_priority) > (l.pool, l.task_priority)
      order by t.pool, t.task_priority limit 1) n
  )
  select l.pool, l.task_priority::int, 'ready', (
      select count(*) from (
        select from kr_task_stat t where t.ready and not t.limited and t.pool = l.pool and t.task_priority = l.task_priority limit 50000) c)
    from lane l
  union all
  select t.pool, t.task_priority::int, case when t.started_ts is null then 'ahead' else 'running' end, count(*)
    from (select distinct c.watcher_id, h.flow, h.seq from kr_claim c cross join lateral unnest(c.flows, c.seqs) h(flow, seq)) h
    join kr_task_stat t on t.task_flow_id = h.flow and t.task_exec_seq = h.seq and t.exec_status = 1 and t.watcher_id = h.watcher_id
    group by 1, 2, 3
$$;

-- Down Migration
drop function umbel_queue_v1();
drop function umbel_prune_v1(timestamptz, text, timestamptz, text, int, int);
drop function umbel_prunable(text, timestamptz, smallint, timestamptz);
drop trigger umbel_hand_delete on kr_task_stat;
create trigger umbel_hand_delete after delete on kr_task_stat
  referencing old table as gone for each statement execute function umbel_hand_delete();
