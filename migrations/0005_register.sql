-- Up Migration
-- Registering: one statement for all the requests that wait. Revision 0 is that of steps that no flow holds. A definition that changed since it was planned, or a plan that was
-- pruned, makes its requests stale, not wrong.

create function umbel_register_v1(
  ids text[], flows text[], revisions bigint[], versions uuid[], tenants text[],
  inputs jsonb[], overrides jsonb[], priorities numeric[], keys text[], triggers jsonb[],
  parents text[], parent_seqs numeric[], timeouts float8[]  -- the tasks that start them; milliseconds until their deadlines
) returns table (ordinal int, outcome text, task_flow_id varchar) language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan set jit = off
as $$
#variable_conflict use_column
declare
  limited text[];
begin
  return query with given as (
    select * from unnest(ids, flows, revisions, versions, tenants, inputs, overrides, priorities, keys, triggers, parents, parent_seqs, timeouts)
      with ordinality as u(id, flow, revision, version, tenant, input, override, priority, key, trigger, parent, parent_seq, timeout, ordinal)
  ), fresh as (
    select g.*, f.max_running, f.fail_fast, f.announce, p.roots from given g
    cross join lateral (
      select d.max_running, d.settings -> 'failFast' is not distinct from 'true' fail_fast, d.announce from ms_flow d where d.task_id = g.flow and d.revision = g.revision
      union all
      select null, v.definition #> '{settings,failFast}' is not distinct from 'true', 0::smallint from ms_flow_version v where g.revision = 0 and v.version = g.version) f
    cross join lateral (select count(*) roots from ms_plan q where q.version = g.version and q.waiting_on = 0 and q.selected) p
    where p.roots > 0
  ), execution as (
    insert into kr_flow_stat (
      task_flow_id, task_id, tenant, version, trigger, input, idempotency_key, parent_flow_id, parent_exec_seq, deadline_ts, registered_ts, place, active, fail_fast, announce)
    select f.id, f.flow, f.tenant, f.version, f.trigger, f.input, f.key, f.parent, f.parent_seq, now() + f.timeout * interval '1 millisecond', now(), case when f.max_running is not null then 0 end,
           f.roots, f.fail_fast, nullif(f.announce, 0)
    from fresh f
    order by f.key, f.ordinal -- batches that share keys wait for each other instead of locking each other out
    on conflict (tenant, task_id, idempotency_key) where idempotency_key is not null do nothing
    returning task_flow_id
  ), task as (
    insert into kr_task_stat (
      task_flow_id, task_exec_seq, depends_task_exec_seq, task_id, task_seq, exec_status, reason, task_priority, parameters, registered_ts,
      version, pool, depends, edges, need, releases, wire_on, waiting_on, live, unwired, ready, limited, input)
    select f.id, p.task_exec_seq, coalesce(p.depends[1], -1), f.flow, p.task_seq, case when p.selected then 0 else 9 end, case when not p.selected then 'not_selected' end, coalesce(f.priority, p.task_priority),
           case when f.override is null then p.parameters else umbel_override(p.parameters, f.override) end, now(),
           f.version, p.pool, p.depends, p.edges, p.need, p.releases, p.wire_on, p.waiting_on, p.live, false, p.waiting_on = 0 and p.selected and f.max_running is null, p.limited,
           case when p.waiting_on = 0 then f.input end
    from fresh f
    cross join lateral (select * from ms_plan q where q.version = f.version) p
    where f.key is null or f.id in (select task_flow_id from execution)
  )
  select f.ordinal::int, 'registered', f.id::varchar from fresh f where f.key is null
  union all
  select g.ordinal::int, 'stale', null from given g where g.key is null and g.ordinal not in (select f.ordinal from fresh f);

  return query select g.ordinal::int, case when k.task_flow_id is null then 'stale' when k.task_flow_id = g.id then 'registered' else 'existing' end, k.task_flow_id
    from unnest(ids, flows, tenants, keys) with ordinality as g(id, flow, tenant, key, ordinal)
    left join kr_flow_stat k on k.tenant = g.tenant and k.task_id = g.flow and k.idempotency_key = g.key
    where g.key is not null;

  select array_agg(f.task_id) into limited from ms_flow f where f.task_id = any (flows) and f.max_running is not null;
  if limited is not null then
    perform umbel_admit_v1(limited);
  end if;
end $$;

-- Replaces the values of the keys that a step has; other keys are another step's.
create function umbel_override(parameters json, override jsonb) returns json language sql immutable parallel safe as $$
  select coalesce((select json_object_agg(p.key, coalesce(override -> p.key, p.value::jsonb)) from json_each(parameters) p), parameters)
$$;

-- Gives free places of flows with max_running to the executions that have waited longest.
create function umbel_admit_v1(flows text[]) returns int language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
declare
  flow record;
  free bigint;
  lucky text[];
  admitted int := 0;
begin
  for flow in select f.task_id, f.max_running from ms_flow f where f.task_id = any (flows) order by f.task_id for update loop
    select coalesce(flow.max_running, 2147483647) - count(*) into free from kr_flow_stat k where k.task_id = flow.task_id and k.place = 1;
    continue when free <= 0;
    select array_agg(k.task_flow_id order by k.task_flow_id) into lucky from (
      select k.task_flow_id from kr_flow_stat k where k.task_id = flow.task_id and k.place = 0 order by k.registered_ts, k.task_flow_id limit free) k;
    continue when lucky is null;
    perform 1 from kr_task_stat t where t.task_flow_id = any (lucky) order by t.task_flow_id, t.task_exec_seq for update;
    update kr_flow_stat k set place = case when k.flow_status in ('success', 'aborted') then 2 else 1 end where k.task_flow_id = any (lucky);
    update kr_task_stat t set ready = true, revision = t.revision + 1
      from kr_flow_stat k
      where k.task_flow_id = any (lucky) and t.task_flow_id = k.task_flow_id and k.place = 1
        and t.exec_status = 0 and t.waiting_on = 0 and not t.hold and not t.ready;
    admitted := admitted + cardinality(lucky);
  end loop;
  return admitted;
end $$;

-- Down Migration
drop function umbel_register_v1(text[], text[], bigint[], uuid[], text[], jsonb[], jsonb[], numeric[], text[], jsonb[], text[], numeric[], float8[]);
drop function umbel_override(json, jsonb);
drop function umbel_admit_v1(text[]);
