-- Up Migration
-- The heart: one call settles what ended, releases what waited for it, ends executions and claims what runs next.
-- Versioned by name: watchers of two releases may run side by side. Lock order everywhere: tasks by key, then executions by key.

-- The planner settings are fixed here because the hot path must not depend on ANALYZE having run.
create function umbel_advance_v1(
  watcher int, serves text,
  slots int, want int, most int,           -- run now; take in all (the rest ahead); claim from the index, handed over ones included
  urgent numeric,                          -- hand over children of this priority or a smaller one
  from_priority numeric, from_flow text,   -- claim from here on; from '' is a look at the head
  claim bigint, closed bigint[],           -- number of this batch; earlier batches that have wholly ended
  flows text[], seqs numeric[], attempts int[], statuses int[], reasons text[], ages float8[], delays float8[],
  results jsonb[], errors jsonb[], checkpoints jsonb[],
  waits jsonb[],                           -- of those that wait for something outside, see umbel_wait_v1; null: there is none
  choices text[],                          -- the dependants that an end let go on, as an array's text; null: all leave that to their edges
  wires bool[]                             -- which ends are known to wire their execution; null: none is
) returns table (
  kind smallint,                           -- 1 claimed; 2 handed over; 3 the answer came too late; 4 a place became free; 5 the most urgent priority that was ready
  task_flow_id varchar, task_exec_seq numeric, task_id varchar, task_seq numeric,
  task_priority numeric, attempt int, parameters text, version uuid, input jsonb, depends numeric[],
  retried int, checkpoint jsonb, delivered jsonb
) language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set enable_sort = on
set plan_cache_mode = force_generic_plan set jit = off set lock_timeout = '1s' -- whose rows somebody keeps locked is put aside
as $$
#variable_conflict use_column
declare
  best numeric;
  settled int;
  handed int := 0;
  child_flows text[]; child_seqs numeric[]; child_counts int[];
  child_tids tid[]; child_left int[]; child_freed bool[]; child_ours bool[]; child_priorities numeric[]; child_locked_flows text[];
  moved_flows text[]; moved_by int[]; moved_failed bool[];
  wired text[];
begin
  if not exists (select from kr_watcher w where w.watcher_id = watcher) then
    raise exception 'watcher % is not registered, or was declared dead', watcher using errcode = 'UM001';
  end if;
  if cardinality(closed) > 0 then
    delete from kr_claim c using unnest(closed) n where c.watcher_id = watcher and c.claim_no = n;
  end if;

  -- Looking at the head each time would rescan every dead entry that an old snapshot keeps.
  if from_flow = '' then
    select k.task_priority into best from kr_task_stat k where k.ready and not k.limited and k.pool = serves
      order by k.pool, k.task_priority, k.task_flow_id, k.task_exec_seq desc limit 1;
    urgent := coalesce(best, 1000);
    return query select 5::smallint, null::varchar, null::numeric, null::varchar, null::numeric, urgent, null::int, null::text, null::uuid, null::jsonb, null::numeric[], null::int, null::jsonb, null::jsonb;
  end if;

  if cardinality(flows) > 0 then
    -- Who wires locks all tasks of the execution: in order, before any other of its rows.
    if true = any (wires) then
      select array_agg(distinct u.flow) into wired from unnest(flows, wires) u(flow, wires) where u.wires;
      perform 1 from kr_task_stat t where t.task_flow_id = any (wired) order by t.task_flow_id, t.task_exec_seq for update;
    end if;

    -- settle
    with settled as (
      update kr_task_stat t set
        exec_status = u.status,
        started_ts = clock_timestamp() - u.age * interval '1 millisecond',
        finished_ts = case when u.status in (3, 9) then clock_timestamp() end,
        suspended_ts = case when u.status = 2 then clock_timestamp() end,
        reason = case when u.status <> 0 then u.reason end,
        retried = case when u.reason = 'retry' then t.retried + 1 else t.retried end,
        result = u.result, error = u.error, chosen = u.choice::numeric[], revision = t.revision + 1,
        checkpoint = case when u.status <> 3 then coalesce(u.checkpoint, t.checkpoint) end,
        delivered = case when u.reason = 'retry' and t.delivered ? 'value' then t.delivered end
      from unnest(flows, seqs, attempts, statuses, reasons, ages, results, errors, checkpoints, waits, choices)
        u(flow, seq, attempt, status, reason, age, result, error, checkpoint, wait, choice)
      where t.task_flow_id = u.flow and t.task_exec_seq = u.seq
        and t.exec_status = 1 and t.watcher_id = watcher and t.attempt = u.attempt
      returning t.task_flow_id flow, t.exec_status status, t.releases, t.waiting_on, u.wait is not null outside,
        (t.wire_on = 2 and (t.exec_status in (3, 9) or t.reason = 'failed')) or (t.wire_on = 1 and t.reason = 'failed')
          or t.reason = 'skipped' or t.chosen is not null wires
    ), edge as (
      select s.flow, child, count(*)::int arrivals from settled s, unnest(s.releases) child where s.status in (3, 9) and s.wires is not true group by 1, 2
    ), ended as (
      select s.flow, -count(*)::int moved, bool_or(s.status = 2) failed from settled s where (s.status <> 0 or s.waiting_on > 0) and not s.outside group by 1
    ), ordered as (
      select array_agg(e.flow order by e.flow, e.child) f, array_agg(e.child order by e.flow, e.child) s, array_agg(e.arrivals order by e.flow, e.child) n from edge e
    )
    select (select count(*) from settled), o.f, o.s, o.n, e.f, e.m, e.x, (select array_agg(distinct s.flow order by s.flow) from settled s where s.wires)
      into settled, child_flows, child_seqs, child_counts, moved_flows, moved_by, moved_failed, wired
      from ordered o, (select array_agg(flow) f, array_agg(moved) m, array_agg(failed) x from ended) e;

    if settled < cardinality(flows) then
      return query select 3::smallint, u.flow::varchar, u.seq, null::varchar, null::numeric, null::numeric, u.attempt, null::text, null::uuid, null::jsonb, null::numeric[], null::int, null::jsonb, null::jsonb
        from unnest(flows, seqs, attempts, statuses) u(flow, seq, attempt, status)
        where not exists (select from kr_task_stat t where t.task_flow_id = u.flow and t.task_exec_seq = u.seq
                            and t.exec_status = u.status and t.watcher_id = watcher and t.attempt = u.attempt);
    end if;

    -- wait for a time
    if 0 = any (statuses) then
      insert into kr_timer as k (task_flow_id, task_exec_seq, kind, due_ts)
        select u.flow, u.seq, u.reason, clock_timestamp() + u.delay * interval '1 millisecond'
        from unnest(flows, seqs, attempts, statuses, reasons, delays) u(flow, seq, attempt, status, reason, delay)
        where u.status = 0 and exists (select from kr_task_stat t where t.task_flow_id = u.flow and t.task_exec_seq = u.seq
                                         and t.exec_status = 0 and t.watcher_id = watcher and t.attempt = u.attempt
                                         and t.waiting_on = 0 and not t.ready)
        on conflict (task_flow_id, task_exec_seq, kind) do update set due_ts = excluded.due_ts;
    end if;
    if waits is not null then
      perform umbel_wait_v1(watcher, flows, seqs, attempts, delays, waits);
    end if;

    -- release and hand over; who waits for nothing any more, since not all had to arrive, takes no notice
    if child_flows is not null then
      select array_agg(k.tid), array_agg(u.flow), array_agg(greatest(0, k.waiting_on - u.arrivals)),
             array_agg(k.exec_status = 0 and k.waiting_on > 0 and k.waiting_on <= u.arrivals),
             array_agg(not k.hold and not k.limited and k.pool = serves and k.task_priority <= urgent), array_agg(k.task_priority)
        into child_tids, child_locked_flows, child_left, child_freed, child_ours, child_priorities
        from unnest(child_flows, child_seqs, child_counts) u(flow, seq, arrivals)
        cross join lateral (
          select t.ctid tid, t.waiting_on, t.exec_status, t.hold, t.limited, t.pool, t.task_priority from kr_task_stat t
          where t.task_flow_id = u.flow and t.task_exec_seq = u.seq for update) k
        where k.waiting_on > 0;

      return query with child as (
        select u.*, u.freed and u.ours and row_number() over claim_order <= want handed, row_number() over claim_order <= slots at_once
        from unnest(child_tids, child_locked_flows, child_left, child_freed, child_ours, child_priorities) u(tid, flow, remaining, freed, ours, priority)
        window claim_order as (order by not (u.freed and u.ours), u.priority, u.flow)
      ), released as (
        update kr_task_stat t set
          waiting_on = c.remaining,
          ready = c.freed and not c.handed and not t.hold,
          exec_status = case when c.handed then 1 else t.exec_status end,
          watcher_id = case when c.handed then watcher else t.watcher_id end,
          attempt = case when c.handed then t.attempt + 1 else t.attempt end,
          started_ts = case when not c.handed then t.started_ts when c.at_once then clock_timestamp() end,
          finished_ts = case when not c.handed then t.finished_ts end, suspended_ts = case when not c.handed then t.suspended_ts end,
          result = case when not c.handed then t.result end,
          revision = t.revision + 1
        from child c where t.ctid = c.tid
        returning t.task_flow_id, t.task_exec_seq, t.task_id, t.task_seq, t.task_priority, t.attempt, t.parameters, t.version, t.input, t.depends,
          t.retried, t.checkpoint, t.delivered, c.handed
      ), noted as (
        insert into kr_claim (watcher_id, claim_no, part, flows, seqs)
        select watcher, claim, 0, array_agg(r.task_flow_id), array_agg(r.task_exec_seq) from released r where r.handed having count(*) > 0
      )
      select 2::smallint, r.task_flow_id, r.task_exec_seq, r.task_id, r.task_seq, r.task_priority, r.attempt, r.parameters::text, r.version, r.input, r.depends,
        r.retried, r.checkpoint, r.delivered
        from released r where r.handed;
      get diagnostics handed = row_count;
    end if;

    -- wire, where counting does not do: the edges of a task that ended ask for more than that it did
    if wired is not null then
      return query select 4::smallint, null::varchar, null::numeric, f.flow, null::numeric, null::numeric, null::int, null::text, null::uuid, null::jsonb, null::numeric[], null::int, null::jsonb, null::jsonb
        from umbel_wire_ended_v1(wired) f(flow);
    end if;

    -- count, and end what cannot move any more
    select array_agg(m.flow order by m.flow), array_agg(m.moved order by m.flow), array_agg(m.failed order by m.flow)
      into moved_flows, moved_by, moved_failed from (
      select u.flow, sum(u.moved)::int moved, bool_or(u.failed) failed from (
        select * from unnest(moved_flows, moved_by, moved_failed) e(flow, moved, failed)
        union all
        select c.flow, 1, false from unnest(child_locked_flows, child_freed) c(flow, freed) where c.freed
      ) u where wired is null or u.flow <> all (wired) group by u.flow having sum(u.moved) <> 0 or bool_or(u.failed)
    ) m;
    if moved_flows is not null then
      return query select 4::smallint, null::varchar, null::numeric, f.flow, null::numeric, null::numeric, null::int, null::text, null::uuid, null::jsonb, null::numeric[], null::int, null::jsonb, null::jsonb
        from umbel_count_v1(moved_flows, moved_by, moved_failed) f(flow);
    end if;
  end if;

  -- claim
  if least(want, most) > handed then
    return query with candidate as materialized (
      select k.ctid tid from kr_task_stat k
      where k.ready and not k.limited and k.pool = serves and (k.task_priority, k.task_flow_id) >= (from_priority, from_flow)
      order by k.pool, k.task_priority, k.task_flow_id, k.task_exec_seq desc
      limit least(want, most) - handed for update skip locked
    ), numbered as (
      select c.tid, row_number() over () <= slots - handed at_once from candidate c
    ), claimed as (
      update kr_task_stat t set
        exec_status = 1, ready = false, watcher_id = watcher, attempt = t.attempt + 1, revision = t.revision + 1,
        started_ts = case when n.at_once then clock_timestamp() end,
        finished_ts = null, suspended_ts = null, result = null
      from numbered n where t.ctid = n.tid
      returning t.task_flow_id, t.task_exec_seq, t.task_id, t.task_seq, t.task_priority, t.attempt, t.parameters, t.version, t.input, t.depends,
          t.retried, t.checkpoint, t.delivered
    ), noted as (
      insert into kr_claim (watcher_id, claim_no, part, flows, seqs)
      select watcher, claim, 1, array_agg(c.task_flow_id), array_agg(c.task_exec_seq) from claimed c having count(*) > 0
    )
    select 1::smallint, c.task_flow_id, c.task_exec_seq, c.task_id, c.task_seq, c.task_priority, c.attempt, c.parameters::text, c.version, c.input, c.depends,
        c.retried, c.checkpoint, c.delivered
      from claimed c;
  end if;
end $$;

-- Moves the counters of executions, given in order, and ends those that reach 0. Returns the flows in which a place became free.
create function umbel_count_v1(flows text[], moved int[], failed bool[]) returns setof varchar language plpgsql
as $$
declare
  ended record;
begin
  for ended in with counted as (
    -- The arrays drive the only plan there is, so rows are locked in their order; what another call counted meanwhile is counted on.
    update kr_flow_stat f set
      active = f.active + u.moved,
      irregular = f.irregular or u.failed,
      flow_status = case when f.active + u.moved = 0 and f.flow_status = 'open' and not (f.irregular or u.failed) then 'success' else f.flow_status end,
      finished_ts = case when f.active + u.moved = 0 and f.flow_status = 'open' and not (f.irregular or u.failed) then clock_timestamp() else f.finished_ts end,
      place = case when f.active + u.moved = 0 and f.flow_status = 'open' and not (f.irregular or u.failed) and f.place is not null then 2 else f.place end
    from unnest(flows, moved, failed) u(flow, moved, failed)
    where f.task_flow_id = u.flow
    returning f.task_flow_id, f.flow_status, f.active, f.place
  ) select * from counted c where c.place = 2 or (c.active = 0 and c.flow_status = 'open') loop
    -- Nothing moves, and a task failed or a hand was at work: the tasks tell how it ended.
    if ended.flow_status = 'open' then
      perform umbel_wire(ended.task_flow_id);
    end if;
    return query select f.task_id from kr_flow_stat f where f.task_flow_id = ended.task_flow_id and f.place = 2;
  end loop;
end $$;

-- Wires executions, given in order. Returns the flows in which a place became free.
create function umbel_wire_ended_v1(flows text[]) returns setof varchar language plpgsql as $$
declare
  flow text;
begin
  foreach flow in array flows loop
    perform umbel_wire(flow);
  end loop;
  return query select f.task_id from kr_flow_stat f where f.task_flow_id = any (flows) and f.place = 2;
end $$;

-- Down Migration
drop function umbel_advance_v1(int, text, int, int, int, numeric, numeric, text, bigint, bigint[],
  text[], numeric[], int[], int[], text[], float8[], float8[], jsonb[], jsonb[], jsonb[], jsonb[], text[], bool[]);
drop function umbel_wire_ended_v1(text[]);
drop function umbel_count_v1(text[], int[], bool[]);
