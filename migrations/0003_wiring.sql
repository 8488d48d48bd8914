-- Up Migration
-- What makes SQL a supported way in: definitions carry a revision, and tasks that a hand inserted, edited or deleted are wired at commit.

create function umbel_satisfies(exec_status numeric, reason text) returns boolean language sql immutable parallel safe as $$
  select exec_status = 3 or (exec_status = 9 and reason is distinct from 'aborted')
$$;
comment on function umbel_satisfies is 'whether a task that stands so is done with: its execution may end well';

-- dag/edges.ts says the same.
create function umbel_edge(kind text, exec_status numeric, reason text, chosen numeric[], child numeric) returns text
language sql immutable parallel safe as $$
  select case
    when exec_status not in (3, 9) or (exec_status = 9 and reason = 'aborted') then 'open'
    when exec_status = 9 and reason = 'skipped' then 'skipped'
    when child = any (chosen) then 'met'
    when kind = 'goto' then 'skipped'
    when kind = 'always' then 'met'
    when chosen is not null then 'unmet'
    when kind = 'failed' then case when exec_status = 9 and reason in ('handled', 'allowed_failure') then 'met' else 'unmet' end
    when exec_status = 9 and reason = 'handled' then 'unmet'
    else 'met'
  end
$$;
comment on function umbel_edge is 'what an edge brings to its child while its predecessor stands so: open (nothing yet), met, skipped, or unmet (never)';

-- Definitions ------------------------------------------------------------------------------------------------------

create function umbel_definition_changed() returns trigger language plpgsql as $$
begin
  if tg_op = 'TRUNCATE' then
    update ms_flow set revision = revision + 1, updated_ts = now();
  elsif tg_op = 'DELETE' then
    insert into ms_flow as f (task_id) select distinct task_id from gone order by 1
      on conflict (task_id) do update set revision = f.revision + 1, updated_ts = now();
  elsif tg_op = 'INSERT' then
    insert into ms_flow as f (task_id) select distinct task_id from come order by 1
      on conflict (task_id) do update set revision = f.revision + 1, updated_ts = now();
  else
    insert into ms_flow as f (task_id) select task_id from come union select task_id from gone order by 1
      on conflict (task_id) do update set revision = f.revision + 1, updated_ts = now();
  end if;
  return null;
end $$;

create trigger umbel_definition_inserted after insert on ms_task_definition
  referencing new table as come for each statement execute function umbel_definition_changed();
create trigger umbel_definition_updated after update on ms_task_definition
  referencing new table as come old table as gone for each statement execute function umbel_definition_changed();
create trigger umbel_definition_deleted after delete on ms_task_definition
  referencing old table as gone for each statement execute function umbel_definition_changed();
create trigger umbel_definition_truncated after truncate on ms_task_definition
  for each statement execute function umbel_definition_changed();

insert into ms_flow (task_id) select distinct task_id from ms_task_definition order by 1;

-- Executions -------------------------------------------------------------------------------------------------------

-- Works out an execution's derived state from what stands in its rows: statuses and edges. The one definition of both counters, of ready, of
-- active and of the end of an execution; only `paused` and `compensating` are words of others, which it keeps.
create function umbel_wire(execution text) returns void language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_nestloop = off set enable_hashjoin = on set enable_mergejoin = on set jit = off
as $$
declare
  gated boolean;
  fast boolean;
  expired boolean;
  changed bigint;
  counts record;
begin
  -- Before the locks: who adds to the same new execution at the same time waits here, and then sees the other's tasks.
  insert into kr_flow_stat (task_flow_id, task_id, registered_ts, place)
    select execution, t.task_id, coalesce(t.registered_ts, now()), (select 0 from ms_flow f where f.task_id = t.task_id and f.max_running is not null)
    from kr_task_stat t where t.task_flow_id = execution order by t.task_exec_seq limit 1
    on conflict (task_flow_id) do nothing;
  -- Twice: the first pass may wait for somebody who added tasks, which only the second one sees.
  for pass in 1..2 loop
    perform 1 from kr_task_stat t where t.task_flow_id = execution order by t.task_exec_seq for update;
  end loop;
  update kr_flow_stat f set place = 0
    where f.task_flow_id = execution and f.place = 2
      and exists (select from kr_task_stat t where t.task_flow_id = execution and t.exec_status in (0, 1, 2));
  select f.place is not distinct from 0, f.fail_fast, coalesce(f.error ->> 'name' = 'DeadlineError', false) into gated, fast, expired
    from kr_flow_stat f where f.task_flow_id = execution;

  -- Running with no watcher behind it is not running; what a hand inserted without a reason has the operator's.
  update kr_task_stat t set
      exec_status = case when t.exec_status = 1 then 0 else t.exec_status end,
      reason = case when t.exec_status = 1 then null else 'operator' end,
      revision = t.revision + 1
    where t.task_flow_id = execution
      and (t.exec_status = 1 and t.watcher_id is null or t.exec_status in (2, 9) and t.reason is null);

  -- Until nothing follows any more. A failure that an edge takes is handled, unless whoever would take it was skipped: so skips come first.
  -- Past the deadline of the execution nothing is.
  loop
    with edge as (
      select t.task_exec_seq child, p.task_exec_seq parent, d.kind, t.need,
             case when p.task_exec_seq is null then 'met' else umbel_edge(d.kind, p.exec_status, p.reason, p.chosen, t.task_exec_seq) end state,
             case when d.kind in ('failed', 'always') then not (t.exec_status = 9 and t.reason in ('skipped', 'not_selected')) end takes
      from kr_task_stat t
      cross join lateral unnest(coalesce(t.depends, array[t.depends_task_exec_seq]), t.edges) d(seq, kind)
      left join kr_task_stat p on p.task_flow_id = execution and p.task_exec_seq = d.seq
      where t.task_flow_id = execution and d.seq is not null
    ), arrived as (
      select child, need, count(*) edges, count(*) filter (where state = 'open') open, count(*) filter (where state = 'met') met,
             count(*) filter (where state = 'unmet') unmet
      from edge group by child, need
    ), incoming as (
      select child, case when need is null then open else greatest(0, need - met) end waiting_on,
             case when need is not null then greatest(0, open + met - need + 1) when unmet > 0 then 0 else open + met end live
      from arrived
    ), outgoing as (
      select parent, array_agg(child order by child) releases, bool_or(takes) taken,
             max(case kind when 'failed' then 2 when 'goto' then 2 when 'always' then 1 else 0 end) wire_on
      from edge where parent is not null group by parent
    ), counted as (
      select t.task_exec_seq seq, t.exec_status, t.reason, t.hold, coalesce(i.waiting_on, 0)::int waiting_on, coalesce(i.live, 1)::int live,
             coalesce(o.releases, '{}') releases, greatest(coalesce(o.wire_on, 0), fast::int)::smallint wire_on, o.taken,
             coalesce(i.waiting_on, 0) = 0 and exists (
               select from kr_timer k where k.task_flow_id = execution and k.task_exec_seq = t.task_exec_seq and k.kind in ('retry', 'sleep')) timed
      from kr_task_stat t
      left join incoming i on i.child = t.task_exec_seq
      left join outgoing o on o.parent = t.task_exec_seq
      where t.task_flow_id = execution
    ), fated as (
      select c.*, c.exec_status = 0 and c.waiting_on = 0 and c.live > 0 and not c.hold and not gated and not c.timed ready,
             case when c.exec_status = 0 and c.live = 0 and not c.timed then 'skipped'
                  when c.exec_status = 9 and c.reason = 'handled' and not c.taken then 'failed'
                  when c.exec_status = 2 and c.reason = 'failed' and c.taken and not expired then 'handled' end fate
      from counted c
    ), fresh as (
      select f.*, f.fate is not null and (f.fate = 'skipped' or f.fate = 'failed' and not bool_or(f.fate = 'skipped') over ()
                    or not coalesce(bool_or(f.fate <> 'handled') over (), false)) changes
      from fated f
    ), wired as (
      update kr_task_stat t set
        depends = coalesce(t.depends, case when t.depends_task_exec_seq = -1 then '{}' else array[t.depends_task_exec_seq] end),
        unwired = false, releases = f.releases, wire_on = f.wire_on, waiting_on = f.waiting_on, live = f.live, ready = f.ready,
        revision = t.revision + 1,
        exec_status = case when not f.changes then t.exec_status when f.fate = 'failed' then 2 else 9 end,
        reason = case when f.changes then f.fate else t.reason end,
        finished_ts = case when not f.changes then t.finished_ts when f.fate = 'handled' then clock_timestamp() end,
        suspended_ts = case when f.changes and f.fate = 'failed' then clock_timestamp() else t.suspended_ts end
      from fresh f
      where t.task_flow_id = execution and t.task_exec_seq = f.seq
        and (f.changes or (t.waiting_on, t.live, t.releases, t.wire_on, t.ready) is distinct from (f.waiting_on, f.live, f.releases, f.wire_on, f.ready))
      returning f.changes
    )
    select count(*) filter (where w.changes) into changed from wired w;
    exit when changed = 0;
  end loop;

  -- A failure that nobody takes stops the others, where that is asked for: what it stopped, a resume lets go on.
  if fast and exists (select from kr_task_stat t where t.task_flow_id = execution and t.exec_status = 2 and t.reason = 'failed') then
    with stopped as (
      update kr_task_stat t set exec_status = 9, reason = 'aborted', ready = false, hold = false, watcher_id = null, delivered = null, revision = t.revision + 1
      where t.task_flow_id = execution and (t.exec_status in (0, 1) or t.exec_status = 2 and t.reason in ('signal', 'callback', 'sub_execution'))
      returning t.task_exec_seq seq
    )
    delete from kr_wait w using stopped s where w.task_flow_id = execution and w.task_exec_seq = s.seq;
    update kr_flow_stat f set flow_status = 'aborted' where f.parent_flow_id = execution and f.flow_status in ('open', 'paused');
  end if;

  -- Who waits for a predecessor again does not wait for a time as well.
  delete from kr_timer k using kr_task_stat t
    where k.task_flow_id = execution and t.task_flow_id = execution and t.task_exec_seq = k.task_exec_seq
      and case when k.kind in ('wait', 'beat') then t.exec_status <> 2 else t.exec_status <> 0 or t.waiting_on > 0 end;

  select count(*) filter (where exec_status = 1 or (exec_status = 0 and waiting_on = 0)
           or (exec_status = 2 and reason in ('signal', 'callback', 'sub_execution'))) active,
         count(*) filter (where exec_status = 2 and reason = 'failed') failed,
         count(*) filter (where exec_status = 2) suspended,
         count(*) filter (where exec_status = 0) waiting,
         count(*) filter (where not umbel_satisfies(exec_status, reason)) unsatisfied
    into counts from kr_task_stat where task_flow_id = execution;

  -- Only a circle of hand-made rows can wait when nothing moves and nothing else stands in its way. A paused execution is not judged yet.
  if counts.active = 0 and counts.waiting > 0 and counts.waiting = counts.unsatisfied
     and not exists (select from kr_flow_stat f where f.task_flow_id = execution and f.flow_status = 'paused') then
    update kr_task_stat t set exec_status = 2, reason = 'failed', suspended_ts = now(), revision = t.revision + 1,
      error = jsonb_build_object('name', 'DependencyError', 'message', 'waits for itself: its predecessors depend on it in a circle; correct depends_task_exec_seq')
      where t.task_flow_id = execution and t.exec_status = 0;
    perform umbel_wire(execution);
    return;
  end if;

  update kr_flow_stat f set
    active = counts.active,
    irregular = true,
    flow_status = s.status,
    finished_ts = case when s.status in ('success', 'failed', 'aborted') then coalesce(f.finished_ts, now()) end,
    place = case when s.status in ('success', 'aborted') and f.place is not null then 2 else f.place end
  from (select case
      when f.flow_status in ('paused', 'compensating') then f.flow_status
      when counts.active > 0 then 'open'
      when counts.failed > 0 then 'failed'
      when counts.suspended > 0 then 'open'
      when counts.unsatisfied > 0 then 'aborted'
      else 'success' end status
    from kr_flow_stat f where f.task_flow_id = execution) s
  where f.task_flow_id = execution;

  -- Who is woken takes what is ready, or lets executions in: this one when it waits for a place, another when it gave one back.
  perform pg_notify('umbel', json_build_object('pool', pool, 'priority', min(task_priority))::text)
    from kr_task_stat where task_flow_id = execution and ready group by pool;
  perform pg_notify('umbel', json_build_object('places', task_id)::text) from kr_flow_stat where task_flow_id = execution and place in (0, 2);
end $$;

-- Rows that were there before: what has ended is taken over in one go, the rest is wired. Before the triggers, whose pending events
-- would keep a later migration of the same transaction from altering the table.
with ended as materialized (
  select task_flow_id, min(task_id) task_id, min(registered_ts) registered_ts, max(finished_ts) finished_ts
  from kr_task_stat group by task_flow_id having bool_and(exec_status in (3, 9))
), execution as (
  insert into kr_flow_stat (task_flow_id, task_id, flow_status, registered_ts, finished_ts)
  select task_flow_id, task_id, 'success', coalesce(registered_ts, finished_ts, now()), coalesce(finished_ts, now()) from ended
)
update kr_task_stat t set unwired = false, waiting_on = 0, live = 1, releases = '{}', revision = 1,
  reason = case when t.exec_status = 9 then 'operator' end,
  depends = case when t.depends_task_exec_seq = -1 then '{}' else array[t.depends_task_exec_seq] end
  from ended e where t.task_flow_id = e.task_flow_id;
select umbel_wire(task_flow_id) from (select distinct task_flow_id from kr_task_stat where waiting_on is null order by 1) w;

-- A change that leaves the revision alone was made by hand: it wins, and is wired at commit.
create function umbel_hand_edit() returns trigger language plpgsql as $$
begin
  new.revision := old.revision + 1;
  new.waiting_on := null;
  new.ready := false;
  delete from kr_slot_queue q where q.task_flow_id = old.task_flow_id and q.task_exec_seq = old.task_exec_seq;
  if new.depends_task_exec_seq <> old.depends_task_exec_seq and new.depends is not distinct from old.depends then
    new.depends := null;
  end if;
  if new.depends is distinct from old.depends and new.edges is not distinct from old.edges then
    new.edges := null;
  end if;
  if (new.exec_status, new.reason) is distinct from (old.exec_status, old.reason) and new.chosen is not distinct from old.chosen then
    new.chosen := null;
  end if;
  if new.exec_status is not distinct from old.exec_status then
    return new;
  end if;
  new.watcher_id := null;
  delete from kr_timer k where k.task_flow_id = old.task_flow_id and k.task_exec_seq = old.task_exec_seq;
  perform umbel_wait_no_more(old.task_flow_id, old.task_exec_seq, old.exec_status in (1, 2));
  new.delivered := null;
  if new.reason is not distinct from old.reason then
    new.reason := case when new.exec_status in (2, 9) then 'operator' end;
  end if;
  if new.exec_status = 3 and new.finished_ts is not distinct from old.finished_ts then new.finished_ts := now(); end if;
  if new.exec_status = 2 and new.suspended_ts is not distinct from old.suspended_ts then new.suspended_ts := now(); end if;
  if new.exec_status in (0, 1) then
    new.exec_status := 0;
    new.error := null;
    new.lost := 0;
    new.retried := 0;
    -- Who begins again does so with the step itself, wherever its fallback was; see watcher/fallback.ts.
    if new.checkpoint ? 'umbel:fallback' then
      new.checkpoint := nullif(new.checkpoint #> '{umbel:fallback,own}', 'null');
    end if;
  end if;
  return new;
end $$;

create trigger umbel_hand_edit before update on kr_task_stat for each row
  when (new.revision = old.revision
    and (new.exec_status, new.reason, new.hold, new.depends_task_exec_seq, new.depends, new.edges, new.need, new.chosen)
    is distinct from (old.exec_status, old.reason, old.hold, old.depends_task_exec_seq, old.depends, old.edges, old.need, old.chosen))
  execute function umbel_hand_edit();

-- What the tasks of these executions, all of them new and at Wait, wait for and release. Hash joins: nothing is known of how many there are.
create function umbel_inserted_edges(flows text[]) returns table (flow text, seq numeric, depends numeric[], releases numeric[], waiting_on int)
language sql set enable_nestloop = off set enable_hashjoin = on set enable_seqscan = off set jit = off
as $$
  with task as materialized (
    select t.task_flow_id::text flow, t.task_exec_seq seq,
           coalesce(t.depends, case when t.depends_task_exec_seq = -1 then '{}' else array[t.depends_task_exec_seq] end) depends
    from kr_task_stat t join unnest(flows) u(flow) on u.flow = t.task_flow_id where t.unwired
  ), wish as materialized (
    select c.flow, c.seq child, d.seq parent from task c cross join lateral unnest(c.depends) d(seq)
  ), edge as materialized (
    select w.flow, w.child, w.parent from wish w join task p on p.flow = w.flow and p.seq = w.parent
  ), incoming as materialized (
    select e.flow, e.child, count(*)::int waiting_on from edge e group by 1, 2
  ), outgoing as materialized (
    select e.flow, e.parent, array_agg(e.child order by e.child) releases from edge e group by 1, 2
  )
  select t.flow, t.seq, t.depends, coalesce(o.releases, '{}'), coalesce(i.waiting_on, 0)
  from task t
  left join incoming i on i.flow = t.flow and i.child = t.seq
  left join outgoing o on o.flow = t.flow and o.parent = t.seq
  order by 1, 2
$$;

-- Wires the executions that this transaction inserted whole and at Wait, all in one go; whatever is less plain is left to umbel_wire.
create function umbel_wire_inserted() returns void language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
declare
  fresh text[];
  roots int[];
  circular text;
begin
  with execution as materialized (
    select t.task_flow_id flow, min(t.task_exec_seq) first from kr_task_stat t where t.unwired
    group by 1 having bool_and(t.exec_status = 0 and not t.hold and t.edges is null and t.need is null)
  ), inserted as (
    insert into kr_flow_stat (task_flow_id, task_id, registered_ts, irregular, place)
    select e.flow, t.task_id, coalesce(t.registered_ts, now()), true, (select 0 from ms_flow f where f.task_id = t.task_id and f.max_running is not null)
    from execution e
    cross join lateral (select k.task_id, k.registered_ts from kr_task_stat k where k.task_flow_id = e.flow and k.task_exec_seq = e.first) t
    order by e.flow
    on conflict (task_flow_id) do nothing returning task_flow_id
  )
  select array_agg(i.task_flow_id order by i.task_flow_id) into fresh from inserted i;
  if fresh is null then return; end if;

  with wired as (
    update kr_task_stat t set
      unwired = false, depends = k.depends, releases = k.releases, waiting_on = k.waiting_on, live = greatest(1, cardinality(k.depends)),
      ready = k.waiting_on = 0 and (select f.place is null from kr_flow_stat f where f.task_flow_id = k.flow), revision = t.revision + 1
    from umbel_inserted_edges(fresh) k
    where t.task_flow_id = k.flow and t.task_exec_seq = k.seq
    returning t.task_flow_id flow, t.task_id, t.waiting_on, t.ready, t.pool, t.task_priority
  ), woken as (
    select pg_notify('umbel', json_build_object('pool', w.pool, 'priority', min(w.task_priority))::text) from wired w where w.ready group by w.pool
  ), queued as (
    select pg_notify('umbel', json_build_object('places', w.task_id)::text) from wired w where w.waiting_on = 0 and not w.ready group by w.task_id
  ), counted as (
    select w.flow, (count(*) filter (where w.waiting_on = 0))::int roots from wired w group by 1
  )
  select array_agg(c.flow order by c.flow), array_agg(c.roots order by c.flow) into fresh, roots
    from counted c, (select count(*) from woken) w, (select count(*) from queued) q;
  update kr_flow_stat f set active = u.roots from unnest(fresh, roots) u(flow, roots) where f.task_flow_id = u.flow;

  -- Nothing can begin: a circle.
  for circular in select u.flow from unnest(fresh, roots) u(flow, roots) where u.roots = 0 loop
    perform umbel_wire(circular);
  end loop;
end $$;

create function umbel_wire_row() returns trigger language plpgsql as $$
begin
  -- Once a transaction, for all that it inserted.
  if new.unwired and current_setting('umbel.inserted_by', true) is distinct from pg_current_xact_id()::text then
    perform set_config('umbel.inserted_by', pg_current_xact_id()::text, true);
    perform umbel_wire_inserted();
  end if;
  if exists (select from kr_task_stat t
             where t.task_flow_id = new.task_flow_id and t.task_exec_seq = new.task_exec_seq and t.waiting_on is null) then
    perform umbel_wire(new.task_flow_id);
  end if;
  return null;
end $$;

create constraint trigger umbel_wire after insert or update on kr_task_stat
  deferrable initially deferred for each row when (new.waiting_on is null)
  execute function umbel_wire_row();

-- A deleted predecessor counts as met: one row that is left is marked, so that the execution is wired once at commit.
-- An execution without rows is gone.
create function umbel_hand_delete() returns trigger language plpgsql as $$
begin
  delete from kr_timer k using gone g where k.task_flow_id = g.task_flow_id and k.task_exec_seq = g.task_exec_seq;
  delete from kr_slot_queue q using gone g where q.task_flow_id = g.task_flow_id and q.task_exec_seq = g.task_exec_seq;
  delete from kr_task_log l using gone g where l.task_flow_id = g.task_flow_id and l.task_exec_seq = g.task_exec_seq;
  delete from kr_wait w using gone g where w.task_flow_id = g.task_flow_id and w.task_exec_seq = g.task_exec_seq;
  delete from kr_limit l using gone g where l.task_flow_id = g.task_flow_id and l.task_exec_seq = g.task_exec_seq;
  update kr_task_stat t set waiting_on = null, revision = t.revision + 1
    from (select distinct g.task_flow_id from gone g where g.exec_status <> 3 or g.wire_on = 2 or g.chosen is not null or g.waiting_on is null) e
    cross join lateral (select k.task_exec_seq from kr_task_stat k where k.task_flow_id = e.task_flow_id order by k.task_exec_seq limit 1) k
    where t.task_flow_id = e.task_flow_id and t.task_exec_seq = k.task_exec_seq;
  with ended as (
    delete from kr_flow_stat f using (select distinct g.task_flow_id from gone g) e
      where f.task_flow_id = e.task_flow_id and not exists (select from kr_task_stat t where t.task_flow_id = e.task_flow_id)
    returning f.task_flow_id
  ), signals as (
    delete from kr_signal s using ended e where s.task_flow_id = e.task_flow_id
  )
  delete from kr_timer k using ended e where k.task_flow_id = e.task_flow_id;
  return null;
end $$;

create trigger umbel_hand_delete after delete on kr_task_stat
  referencing old table as gone for each statement execute function umbel_hand_delete();

create function umbel_truncated() returns trigger language plpgsql as $$
begin
  delete from kr_flow_stat;
  delete from kr_claim;
  delete from kr_timer;
  truncate kr_task_log;
  delete from kr_slot_queue;
  delete from kr_wait;
  delete from kr_limit;
  delete from kr_start;
  delete from kr_signal;
  return null;
end $$;
create trigger umbel_truncated after truncate on kr_task_stat for each statement execute function umbel_truncated();

-- Down Migration
drop trigger umbel_truncated on kr_task_stat;
drop trigger umbel_hand_delete on kr_task_stat;
drop trigger umbel_wire on kr_task_stat;
drop trigger umbel_hand_edit on kr_task_stat;
drop trigger umbel_definition_inserted on ms_task_definition;
drop trigger umbel_definition_updated on ms_task_definition;
drop trigger umbel_definition_deleted on ms_task_definition;
drop trigger umbel_definition_truncated on ms_task_definition;
drop function umbel_truncated();
drop function umbel_hand_delete();
drop function umbel_wire_row();
drop function umbel_wire_inserted();
drop function umbel_inserted_edges(text[]);
drop function umbel_hand_edit();
drop function umbel_wire(text);
drop function umbel_definition_changed();
drop function umbel_edge(text, numeric, text, numeric[], numeric);
drop function umbel_satisfies(numeric, text);
