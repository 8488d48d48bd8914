-- Up Migration
-- What became of every time at which a schedule was to fire: one row each, so that no time fires twice.

create table kr_fire (
  task_id      varchar(256) collate "C" not null,
  slot         timestamptz not null,
  decision     text        not null check (decision in ('fired', 'queued', 'skipped', 'missed', 'cancelled', 'failed')),
  reason       text,
  through      timestamptz,
  task_flow_id varchar(256) collate "C",
  live         boolean     not null default false,
  decided_ts   timestamptz not null default clock_timestamp(),
  primary key (task_id, slot)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
comment on column kr_fire.slot is 'the time that the cron expression names; jitter comes after it';
comment on column kr_fire.through is 'missed: the same is true of every time up to this one';
comment on column kr_fire.task_flow_id is 'the execution that it started';
comment on column kr_fire.live is 'its execution had not ended when it was last looked at';
create index kr_fire_execution on kr_fire (task_flow_id) where task_flow_id is not null;
create index kr_fire_live on kr_fire (task_id) where live;
create index kr_fire_queued on kr_fire (task_id, slot) where decision = 'queued';

-- Takes the schedules that are due longest, or not worked out yet, with their flows; what others hold is passed over.
create function umbel_claim_schedules_v1(up_to timestamptz, most int)
returns table (flow varchar, tenant text, cron varchar, timezone varchar, "decidedTo" timestamptz, policy jsonb) language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off
set plan_cache_mode = force_generic_plan set jit = off
as $$
begin
  return query select s.task_id, f.tenant, s.cron, s.timezone, s.decided_to, f.settings #> '{flowSettings,schedule}'
    from ms_schedule s join ms_flow f on f.task_id = s.task_id
    where not s.paused and coalesce(s.due_execution, '-infinity') <= up_to and f.status = 'active'
    order by coalesce(s.due_execution, '-infinity') limit most for update of s, f skip locked;
end $$;

-- Of each schedule the newest decisions are kept, with those that wait and those whose execution has not ended.
create function umbel_prune_fires_v1(flows text[], kept int) returns void language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
begin
  delete from kr_fire r using unnest(flows) u(flow)
    cross join lateral (select k.slot from kr_fire k where k.task_id = u.flow order by k.slot desc offset kept limit 1) cut
    where r.task_id = u.flow and r.slot <= cut.slot and r.decision <> 'queued'
      and not exists (select from kr_flow_stat f where f.task_flow_id = r.task_flow_id and f.flow_status in ('open', 'paused', 'compensating'));
end $$;

-- What is deleted of executions and flows, however it is deleted, takes the decisions with it.
create function umbel_executions_gone() returns trigger language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
begin
  if tg_op = 'TRUNCATE' then
    delete from kr_fire r where r.task_flow_id is not null;
  else
    delete from kr_fire r using gone g where r.task_flow_id = g.task_flow_id;
  end if;
  return null;
end $$;
create trigger umbel_executions_gone after delete on kr_flow_stat
  referencing old table as gone for each statement execute function umbel_executions_gone();
create trigger umbel_executions_truncated after truncate on kr_flow_stat for each statement execute function umbel_executions_gone();

create function umbel_flow_gone() returns trigger language plpgsql as $$
begin
  if tg_op = 'TRUNCATE' then
    delete from kr_fire;
  else
    delete from kr_fire r where r.task_id = old.task_id;
  end if;
  return null;
end $$;
create trigger umbel_flow_gone after delete on ms_flow for each row execute function umbel_flow_gone();
create trigger umbel_flows_truncated after truncate on ms_flow for each statement execute function umbel_flow_gone();

-- Down Migration
drop trigger umbel_flows_truncated on ms_flow;
drop trigger umbel_flow_gone on ms_flow;
drop function umbel_flow_gone();
drop trigger umbel_executions_truncated on kr_flow_stat;
drop trigger umbel_executions_gone on kr_flow_stat;
drop function umbel_executions_gone();
drop function umbel_prune_fires_v1(text[], int);
drop function umbel_claim_schedules_v1(timestamptz, int);
drop table kr_fire;
