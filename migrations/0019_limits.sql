-- Up Migration
-- Limits: how many tasks with the same key run at once (a slot each), and how many may begin within a time (a rate). A limited task is
-- ready like any other, but stands in an index of its own: it is claimed only together with its slots, here and nowhere else.

-- A key in use. Slots belong to watchers: those of one that died are free. `starts` counts the starts of a rate in hundredths of its time.
create table kr_slot (
  slot     text collate "C" primary key,
  watchers integer[] not null default '{}',
  held     integer[] not null default '{}',
  buckets  bigint[]  not null default '{}',
  starts   integer[] not null default '{}'
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- Tasks that found a key full, by that key. They are not ready until it has room.
create table kr_slot_queue (
  task_flow_id  varchar(256) collate "C" not null,
  task_exec_seq numeric      not null,
  slot          text collate "C" not null,
  pool          varchar(256) not null,
  task_priority numeric      not null,
  limits        jsonb        not null,
  primary key (task_flow_id, task_exec_seq)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
create index kr_slot_queue_order on kr_slot_queue (slot, pool, task_priority, task_flow_id, task_exec_seq desc);

-- What watchers that live hold of a key.
create function umbel_filled(watchers int[], held int[]) returns int language sql stable
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off
as $$
  select coalesce(sum(u.n), 0)::int from unnest(watchers, held) u(watcher, n) where exists (select from kr_watcher w where w.watcher_id = u.watcher)
$$;

-- Starts that still count against a rate of so many milliseconds. A hundredth counts as long as its last moment does, so never too few.
create function umbel_started(buckets bigint[], starts int[], now_bucket bigint) returns int language sql immutable parallel safe as $$
  select coalesce(sum(u.n), 0)::int from unnest(buckets, starts) u(bucket, n) where u.bucket >= now_bucket - 100
$$;

-- Locks the keys, in order, and makes those that there are not.
create function umbel_lock_slots(slots text[]) returns void language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
declare
  locked int;
begin
  loop
    insert into kr_slot (slot) select u.slot from unnest(slots) u(slot) order by u.slot collate "C" on conflict do nothing;
    select count(*) into locked from (
      select k.slot from (select distinct u.slot collate "C" slot from unnest(slots) u(slot) order by 1) u
      cross join lateral (select s.slot from kr_slot s where s.slot = u.slot for update) k) l;
    -- Otherwise one was dropped in between.
    exit when locked = cardinality(array(select distinct u.slot from unnest(slots) u(slot)));
  end loop;
end $$;

-- Takes limited tasks for a watcher, as many as their keys have room for; puts the others into the queues of what is full. Besides it says
-- what the watcher holds now, so that what it has let go is free, and shows tasks whose keys nobody has worked out yet.
create function umbel_take_v1(
  watcher int, serves text, want int, claim bigint,
  mine text[], held int[],                    -- keys that the watcher holds or has let go, and how many slots of each it has now
  flows text[], seqs numeric[], limits jsonb[], -- tasks whose keys were worked out: [{slot, limit, per}], per in milliseconds for a rate
  looks boolean, after text, peek int         -- whether to look at keys of others too, from which on; how many tasks to show
) returns table (
  kind smallint,                              -- 1 claimed; 2 to be worked out; 4 task_id is a pool in which more could run; 6 task_id is a key to look on from; 7 task_priority is the ms until a rate has room
  task_flow_id varchar, task_exec_seq numeric, task_id varchar, task_seq numeric,
  task_priority numeric, attempt int, parameters text, version uuid, input jsonb, depends numeric[],
  retried int, checkpoint jsonb, delivered jsonb, tenant text, limits_of jsonb
) language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set enable_sort = on
set plan_cache_mode = force_generic_plan set jit = off set lock_timeout = '1s'
as $$
#variable_conflict use_column
declare
  now_ms constant float8 := extract(epoch from clock_timestamp()) * 1000;
  popped text[] := mine; seen text[];
  c_flows text[]; c_seqs numeric[]; c_limits jsonb[];
  names text[]; used int[];
  granted bool[] := '{}'; full_at text[] := '{}';
  taken int := 0; fits bool; blocked text;
  lim record; at int;
begin
  if not exists (select from kr_watcher w where w.watcher_id = watcher) then
    raise exception 'watcher % is not registered, or was declared dead', watcher using errcode = 'UM001';
  end if;

  if looks then
    -- Each key that somebody waits for once, however many wait for it.
    with recursive found as (
      (select q.slot from kr_slot_queue q where q.slot > after order by q.slot limit 1)
      union all
      select n.slot from found f cross join lateral (select q.slot from kr_slot_queue q where q.slot > f.slot order by q.slot limit 1) n
    ) select array_agg(l.slot) into seen from (select f.slot from found f limit 200) l;
    popped := popped || coalesce(seen, '{}');
    return query select 6::smallint, null::varchar, null::numeric, (case when cardinality(seen) = 200 then seen[200] else '' end)::varchar,
      null::numeric, null::numeric, null::int, null::text, null::uuid, null::jsonb, null::numeric[], null::int, null::jsonb, null::jsonb, null::text, null::jsonb;
  end if;

  -- candidates: what was worked out, and what waits for these keys; the most urgent first, and no task that somebody is at
  with waiting as (
    select distinct on (w.task_flow_id, w.task_exec_seq) w.task_flow_id flow, w.task_exec_seq seq, w.limits from (
      select distinct u.slot from unnest(popped) u(slot)) u
    cross join lateral (
      select q.* from kr_slot_queue q where q.slot = u.slot and q.pool = serves
      order by q.slot, q.pool, q.task_priority, q.task_flow_id, q.task_exec_seq desc limit greatest(want, 1)) w
  ), wanted as (
    select coalesce(g.flow, w.flow) flow, coalesce(g.seq, w.seq) seq, coalesce(g.limits, w.limits) limits
    from unnest(umbel_take_v1.flows, umbel_take_v1.seqs, umbel_take_v1.limits) g(flow, seq, limits)
    full join waiting w on w.flow = g.flow and w.seq = g.seq
  ), locked as (
    select o.flow, o.seq, o.limits, k.* from (select * from wanted order by flow collate "C", seq) o
    cross join lateral (
      select t.task_priority priority, t.exec_status = 0 and t.waiting_on = 0 and t.live > 0 and not t.hold and t.limited and t.pool = serves
        and (t.ready or exists (select from kr_slot_queue q where q.task_flow_id = o.flow and q.task_exec_seq = o.seq)) able
      from kr_task_stat t where t.task_flow_id = o.flow and t.task_exec_seq = o.seq for update skip locked) k
  ), stale as (
    delete from kr_slot_queue q using locked l where not l.able and q.task_flow_id = l.flow and q.task_exec_seq = l.seq
  )
  select array_agg(l.flow order by l.priority, l.flow collate "C", l.seq desc), array_agg(l.seq order by l.priority, l.flow collate "C", l.seq desc),
         array_agg(l.limits order by l.priority, l.flow collate "C", l.seq desc)
    into c_flows, c_seqs, c_limits from locked l where l.able;

  select array_agg(n.slot) into names from (
    select u.slot from unnest(mine) u(slot)
    union select l.slot from unnest(c_limits) c(limits) cross join lateral jsonb_to_recordset(c.limits) l(slot text)
    order by 1) n;
  if names is not null then
    perform umbel_lock_slots(names);
    if cardinality(mine) > 0 then
      update kr_slot s set
        watchers = array(select w from unnest(s.watchers, s.held) h(w, n) where w <> watcher) || case when m.n > 0 then array[watcher] else '{}' end,
        held = array(select n from unnest(s.watchers, s.held) h(w, n) where w <> watcher) || case when m.n > 0 then array[m.n] else '{}' end
      from unnest(mine, umbel_take_v1.held) m(slot, n) where s.slot = m.slot;
    end if;
    select array_agg(case when l.per is null then umbel_filled(s.watchers, s.held) else umbel_started(s.buckets, s.starts, floor(now_ms * 100 / l.per)::bigint) end order by n.ordinal)
      into used
      from unnest(names) with ordinality n(slot, ordinal) join kr_slot s on s.slot = n.slot
      cross join lateral (select nullif(split_part(n.slot, e'\x1f', 3), '')::float8 per) l;
  end if;

  -- grant
  for i in 1 .. coalesce(cardinality(c_flows), 0) loop
    fits := true; blocked := null;
    for lim in select * from jsonb_to_recordset(c_limits[i]) l(slot text, "limit" int) loop
      at := array_position(names, lim.slot);
      if used[at] >= lim."limit" then fits := false; blocked := lim.slot; exit; end if;
    end loop;
    full_at[i] := blocked;
    granted[i] := fits and taken < want;
    if granted[i] then
      taken := taken + 1;
      for lim in select * from jsonb_to_recordset(c_limits[i]) l(slot text) loop
        at := array_position(names, lim.slot);
        used[at] := used[at] + 1;
      end loop;
    end if;
  end loop;

  if taken > 0 then
    with grown as (
      select l.slot, count(*)::int n, nullif(split_part(l.slot, e'\x1f', 3), '')::float8 per
      from unnest(c_limits, granted) c(limits, granted) cross join lateral jsonb_to_recordset(c.limits) l(slot text)
      where c.granted group by l.slot
    )
    update kr_slot s set
      watchers = case when g.per is not null or watcher = any (s.watchers) then s.watchers else s.watchers || watcher end,
      held = case when g.per is not null then s.held
                  when watcher = any (s.watchers) then array(select case when w = watcher then n + g.n else n end from unnest(s.watchers, s.held) h(w, n))
                  else s.held || g.n end,
      buckets = case when g.per is null then s.buckets
                     else array(select b from unnest(s.buckets, s.starts) h(b, n) where b >= floor(now_ms * 100 / g.per)::bigint - 100) || floor(now_ms * 100 / g.per)::bigint end,
      starts = case when g.per is null then s.starts
                    else array(select n from unnest(s.buckets, s.starts) h(b, n) where b >= floor(now_ms * 100 / g.per)::bigint - 100) || g.n end
    from grown g where s.slot = g.slot;
  end if;
  if c_flows is not null then
    return query with taken_tasks as (
      update kr_task_stat t set
        exec_status = 1, ready = false, watcher_id = watcher, attempt = t.attempt + 1, revision = t.revision + 1,
        started_ts = clock_timestamp(), finished_ts = null, suspended_ts = null, result = null, limits = c.limits
      from unnest(c_flows, c_seqs, c_limits, granted) c(flow, seq, limits, granted)
      where c.granted and t.task_flow_id = c.flow and t.task_exec_seq = c.seq
      returning t.*
    ), noted as (
      insert into kr_claim (watcher_id, claim_no, part, flows, seqs)
      select watcher, claim, 1, array_agg(n.task_flow_id), array_agg(n.task_exec_seq) from taken_tasks n having count(*) > 0
    ), gone as (
      delete from kr_slot_queue q using taken_tasks n where q.task_flow_id = n.task_flow_id and q.task_exec_seq = n.task_exec_seq
    )
    select 1::smallint, n.task_flow_id, n.task_exec_seq, n.task_id, n.task_seq, n.task_priority, n.attempt, n.parameters::text, n.version, n.input, n.depends,
      n.retried, n.checkpoint, n.delivered, null::text, n.limits
      from taken_tasks n;
    with put_off as (
      update kr_task_stat t set ready = false, limits = c.limits, revision = t.revision + 1
      from unnest(c_flows, c_seqs, c_limits, full_at) c(flow, seq, limits, slot)
      where c.slot is not null and t.task_flow_id = c.flow and t.task_exec_seq = c.seq
      returning t.task_flow_id, t.task_exec_seq, t.pool, t.task_priority, c.slot, c.limits
    )
    insert into kr_slot_queue as q (task_flow_id, task_exec_seq, slot, pool, task_priority, limits)
      select p.task_flow_id, p.task_exec_seq, p.slot, p.pool, p.task_priority, p.limits from put_off p
      on conflict (task_flow_id, task_exec_seq) do update set slot = excluded.slot, limits = excluded.limits, task_priority = excluded.task_priority;
  end if;

  -- What has room left, and tasks that wait for it: another watcher may take them, this one when it has workers again.
  if cardinality(popped) > 0 then
    return query select distinct 4::smallint, null::varchar, null::numeric, q.pool, null::numeric, null::numeric, null::int, null::text, null::uuid, null::jsonb,
        null::numeric[], null::int, null::jsonb, null::jsonb, null::text, null::jsonb
      from unnest(popped) u(slot) join kr_slot s on s.slot = u.slot
      cross join lateral (
        select h.* from kr_slot_queue h where h.slot = u.slot and (h.pool <> serves or taken >= want)
        order by h.task_priority, h.task_flow_id limit 1) q
      cross join lateral (select l."limit", l.per from jsonb_to_recordset(q.limits) l(slot text, "limit" int, per float8) where l.slot = u.slot) l
      where case when l.per is null then umbel_filled(s.watchers, s.held) else umbel_started(s.buckets, s.starts, floor(now_ms * 100 / l.per)::bigint) end < l."limit";
    return query select 7::smallint, null::varchar, null::numeric, null::varchar, null::numeric, greatest(0, ceil(min((b.first + 101) * l.per / 100 - now_ms)))::numeric,
        null::int, null::text, null::uuid, null::jsonb, null::numeric[], null::int, null::jsonb, null::jsonb, null::text, null::jsonb
      from (select distinct n.slot from unnest(names) n(slot)) u join kr_slot s on s.slot = u.slot
      cross join lateral (select nullif(split_part(u.slot, e'\x1f', 3), '')::float8 per) l
      cross join lateral (select min(x) first from unnest(s.buckets) x where x >= floor(now_ms * 100 / l.per)::bigint - 100) b
      where l.per is not null and b.first is not null and exists (select from kr_slot_queue q where q.slot = u.slot)
      having count(*) > 0;
  end if;

  if peek > 0 then
    return query select 2::smallint, t.task_flow_id, t.task_exec_seq, t.task_id, t.task_seq, t.task_priority, t.attempt, null::text, t.version, null::jsonb, t.depends,
        null::int, null::jsonb, null::jsonb, f.tenant, null::jsonb
      from (select k.* from kr_task_stat k where k.ready and k.limited and k.pool = serves
            order by k.pool, k.task_priority, k.task_flow_id, k.task_exec_seq desc limit peek) t
      join kr_flow_stat f on f.task_flow_id = t.task_flow_id;
  end if;
end $$;

-- Tasks that a hand inserts are limited as their definition says.
create function umbel_limit_inserted() returns trigger language plpgsql as $$
begin
  new.limited := exists (select from ms_task_definition d where d.task_id = new.task_id and d.task_seq = new.task_seq
                           and (d.options ? 'concurrency' or d.options ? 'rate'));
  return new;
end $$;
create trigger umbel_limit_inserted before insert on kr_task_stat for each row when (new.unwired) execute function umbel_limit_inserted();

-- Down Migration
drop trigger umbel_limit_inserted on kr_task_stat;
drop function umbel_limit_inserted();
drop function umbel_take_v1(int, text, int, bigint, text[], int[], text[], numeric[], jsonb[], boolean, text, int);
drop function umbel_lock_slots(text[]);
drop function umbel_started(bigint[], int[], bigint);
drop function umbel_filled(int[], int[]);
drop table kr_slot_queue;
drop table kr_slot;
