-- Up Migration
-- The outbox: what happened, written in the transaction in which it happened, for consumers to read in order.

-- An event's transaction has its number before the event has its own: the columns are filled from the left.
create table ms_event (
  xid        xid8         not null default pg_current_xact_id(),
  event_id   bigint       generated always as identity primary key,
  name       varchar(256) not null,
  service    varchar(256),
  tenant     text         not null default 'local',
  payload    jsonb        not null,
  created_ts timestamptz  not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
comment on column ms_event.xid is 'its transaction: numbers are taken before a commit and seen after it, so consumers remember which transactions they have seen';
comment on column ms_event.service is 'who it comes from; null: this installation, under its SERVICE_NAME';
create index ms_event_xid on ms_event (xid);

-- How far a consumer is: it has handled what is visible in `seen`, and of what is visible in `upto` that up to `after_id`.
create table ms_event_cursor (
  consumer    varchar(256) primary key,
  seen        pg_snapshot not null,
  floor_id    bigint      not null,
  upto        pg_snapshot,
  after_id    bigint,
  holder      uuid,
  lease_until timestamptz,
  failures    integer     not null default 0,
  error       text,
  updated_ts  timestamptz not null default now()
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
comment on column ms_event_cursor.floor_id is 'the largest id handled of what is visible in seen: what was begun later has a larger one';
comment on column ms_event_cursor.holder is 'the process that reads for it, until lease_until';
comment on column ms_event_cursor.failures is 'how often it failed since it last went on; error is the last one';

-- Writes events into the outbox of the running transaction.
create function umbel_emit_v1(names text[], tenants text[], payloads jsonb[]) returns void language sql as $$
  insert into ms_event (name, tenant, payload) select e.name, e.tenant, e.payload
  from unnest(names, tenants, payloads) with ordinality e(name, tenant, payload, ordinal) order by e.ordinal;
  select pg_notify('umbel', '{"events": ""}') where cardinality(names) > 0
$$;

-- Names of events as they are asked for: `flow.*` is everything that begins with `flow.`.
create function umbel_event_matches(name text, patterns text[]) returns boolean language sql immutable parallel safe as $$
  select exists (select from unnest(patterns) p where name like replace(replace(p, '_', '\_'), '*', '%'))
$$;

create function umbel_iso(at timestamptz) returns text language sql stable parallel safe as $$
  select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- A snapshot as a consumer remembers it. Its own upper end is the last transaction that has ended, and later ones may have drawn numbers
-- for their events already: they are listed as under way up to this transaction, which begins now. What begins later draws larger numbers.
create function umbel_remember(s pg_snapshot) returns pg_snapshot language sql stable as $$
  select format('%s:%s:%s', pg_snapshot_xmin(s), pg_current_xact_id(), (
    select string_agg(x.xid::text, ',' order by x.xid) from (
      select k.xid::text::bigint xid from pg_snapshot_xip(s) k(xid)
      union all
      select generate_series(pg_snapshot_xmax(s)::text::bigint, pg_current_xact_id()::text::bigint - 1)) x))::pg_snapshot
$$;

-- The next events of whoever has handled what is visible in `seen`, of those visible in `upto` (null: now), in order; of those that no
-- pattern names only the number. First those of transactions that were under way in `seen`: their numbers may be small. Whoever
-- could know of another transaction's event has one with a larger number, in the same look or a later one.
create function umbel_read_events_v1(seen pg_snapshot, floor_id bigint, upto pg_snapshot, after_id bigint, patterns text[], most int)
returns table (event_id bigint, xid xid8, name text, service text, tenant text, payload jsonb, created text, upto_now text) language plpgsql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan set jit = off
as $$
#variable_conflict use_column
declare
  limits constant pg_snapshot := coalesce(umbel_read_events_v1.upto, pg_current_snapshot());
begin
  return query
    with found as (
      (select e.* from pg_snapshot_xip(seen) x(xid)
         cross join lateral (select k.* from ms_event k where k.xid = x.xid) e
         where e.event_id <= umbel_read_events_v1.floor_id and e.event_id > coalesce(umbel_read_events_v1.after_id, 0)
           and pg_visible_in_snapshot(e.xid, limits)
         order by e.event_id limit most)
      union all
      (select e.* from ms_event e
         where e.event_id > greatest(umbel_read_events_v1.floor_id, umbel_read_events_v1.after_id)
           and not pg_visible_in_snapshot(e.xid, seen) and pg_visible_in_snapshot(e.xid, limits)
         order by e.event_id limit most)
    ), next as (
      select f.*, patterns is null or umbel_event_matches(f.name, patterns) wanted from found f order by f.event_id limit most
    )
    select n.event_id, n.xid, case when n.wanted then n.name::text end, case when n.wanted then n.service::text end,
           case when n.wanted then n.tenant end, case when n.wanted then n.payload end,
           case when n.wanted then umbel_iso(n.created_ts) end, coalesce(umbel_read_events_v1.upto, (select umbel_remember(limits)))::text
    from next n order by n.event_id;
end $$;

-- Whether a consumer may still have to read an event.
create function umbel_event_unread(event_id bigint, xid xid8, c ms_event_cursor) returns boolean language sql immutable parallel safe as $$
  select not pg_visible_in_snapshot(xid, c.seen) and (event_id > c.floor_id or xid < pg_snapshot_xmax(c.seen))
$$;

-- In a database restored from a dump, transactions are numbered anew: what the numbers of the old ones were used for is worked out of
-- the events' own. A consumer may get events twice, and misses none.
create function umbel_rebase_events_v1() returns boolean language plpgsql as $$
declare
  newest constant xid8 := pg_snapshot_xmax(pg_current_snapshot());
begin
  if not exists (select from ms_event_cursor c where pg_snapshot_xmax(c.seen) > newest or pg_snapshot_xmax(c.upto) > newest)
     and coalesce((select e.xid < newest from ms_event e order by e.xid desc limit 1), true) then
    return false;
  end if;
  lock table ms_event, ms_event_cursor in exclusive mode;
  update ms_event_cursor c set seen = '3:3:', upto = null, after_id = null, holder = null, floor_id = coalesce(
    (select min(e.event_id) - 1 from ms_event e where umbel_event_unread(e.event_id, e.xid, c) or e.event_id > greatest(c.floor_id, c.after_id)),
    c.floor_id);
  update ms_event e set xid = '3' where e.xid >= newest;
  return true;
end $$;

-- Deletes events that every consumer has handled and that are old enough; answers where to go on, null when nothing as old is left.
create function umbel_prune_events_v1(created_before timestamptz, after bigint, most int, out events int, out next bigint) language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
begin
  with old as materialized (
    select e.event_id, e.xid from (select k.* from ms_event k where k.event_id > after order by k.event_id limit most) e
    where e.created_ts < created_before
  ), gone as (
    delete from ms_event e using old o where e.event_id = o.event_id
      and not exists (select from ms_event_cursor c where umbel_event_unread(o.event_id, o.xid, c))
    returning 1
  )
  select (select count(*) from gone), (select max(o.event_id) from old o having count(*) = most) into events, next;
end $$;

-- Subscriptions --------------------------------------------------------------------------------------------------

create table ms_subscription (
  subscription_id varchar(256) collate "C" primary key,
  tenant     text        not null default 'local',
  names      text[]      not null check (cardinality(names) > 0),
  task_id    varchar(256) collate "C",
  url        text        not null,
  secrets    text[]      not null check (cardinality(secrets) > 0),
  announce   smallint    generated always as (case
    when umbel_event_matches('flow.executed', names) or umbel_event_matches('execution.finished', names) then 2
    when umbel_event_matches('execution.failed', names) or umbel_event_matches('execution.aborted', names) then 1
    else 0 end) stored,
  created_ts timestamptz not null default now()
);
comment on column ms_subscription.task_id is 'the flow of which events are sent; null: of all';
comment on column ms_subscription.secrets is 'names of the secrets that sign; several while one replaces another';
comment on column ms_subscription.announce is 'what executions must tell of themselves for its sake: 0 nothing, 1 failures, 2 all';

create table ms_delivery (
  delivery_id     bigint      generated always as identity primary key,
  subscription_id varchar(256) collate "C" not null references ms_subscription on delete cascade,
  event_id        bigint      not null,
  event           jsonb       not null,
  status          text        not null default 'pending' check (status in ('pending', 'delivered', 'dead')),
  attempts        integer     not null default 0,
  due_ts          timestamptz not null default now(),
  answer          integer,
  error           text,
  created_ts      timestamptz not null default now(),
  settled_ts      timestamptz
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
comment on column ms_delivery.due_ts is 'when it is sent next; while it is under way, when another process may take it over';
comment on column ms_delivery.status is 'dead: given up after too many attempts';
create index ms_delivery_due on ms_delivery (due_ts) where status = 'pending';
create index ms_delivery_of on ms_delivery (subscription_id, delivery_id);

-- The flow that an event is about.
create function umbel_event_flow(payload jsonb) returns text language sql immutable parallel safe as $$
  select coalesce(case jsonb_typeof(payload -> 'flow') when 'string' then payload ->> 'flow' when 'object' then payload -> 'flow' ->> 'id' end, payload ->> 'id')
$$;

-- Makes a delivery of each event for each subscription that it fits.
create function umbel_deliver_v1(ids bigint[]) returns int language plpgsql
set enable_seqscan = on set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  made int;
begin
  insert into ms_delivery (subscription_id, event_id, event)
    select s.subscription_id, e.event_id, jsonb_build_object('id', e.event_id::text,
        'headers', jsonb_build_object('name', e.name, 'createdAt', umbel_iso(e.created_ts), 'serviceName', e.service), 'payload', e.payload)
    from unnest(ids) with ordinality u(id, ordinal)
    cross join lateral (select k.* from ms_event k where k.event_id = u.id) e
    join ms_subscription s on s.tenant = e.tenant and umbel_event_matches(e.name, s.names)
      and (s.task_id is null or s.task_id = umbel_event_flow(e.payload))
    order by u.ordinal;
  get diagnostics made = row_count;
  return made;
end $$;

-- What executions tell of themselves -------------------------------------------------------------------------------

alter table ms_flow add column announce smallint not null default 0;
comment on column ms_flow.announce is 'what its executions tell: 0 nothing, 1 failures, 2 all; follows from its status, its settings and subscriptions';
alter table kr_flow_stat add column announce smallint;
comment on column kr_flow_stat.announce is 'what it tells of itself: 1 failures, 2 all; null: nothing, which costs nothing';

-- Read as JSON: the status comes with a later migration.
create function umbel_announce(flow jsonb) returns smallint language sql stable as $$
  select greatest(
    case when flow ->> 'status' <> 'inactive' or flow -> 'settings' @> '{"announce": true}' then 2 else 0 end,
    (select max(s.announce) from ms_subscription s where s.tenant = flow ->> 'tenant' and (s.task_id is null or s.task_id = flow ->> 'task_id')))::smallint
$$;

create function umbel_flow_announce() returns trigger language plpgsql as $$
begin
  new.announce := umbel_announce(to_jsonb(new));
  return new;
end $$;
create trigger umbel_flow_announce before insert or update on ms_flow for each row execute function umbel_flow_announce();

-- The lock lets no flow come by that neither sees the subscription nor is seen here.
create function umbel_subscribed() returns trigger language plpgsql as $$
begin
  lock table ms_flow in share row exclusive mode;
  update ms_flow f set announce = umbel_announce(to_jsonb(f)) where f.announce <> umbel_announce(to_jsonb(f));
  return null;
end $$;
create trigger umbel_subscribed after insert or update or delete on ms_subscription for each statement execute function umbel_subscribed();

-- An execution that was made by hand has no version.
create function umbel_hand_announce() returns trigger language plpgsql as $$
begin
  new.announce := (select nullif(f.announce, 0) from ms_flow f where f.task_id = new.task_id);
  return new;
end $$;
create trigger umbel_hand_announce before insert on kr_flow_stat for each row
  when (new.version is null and new.announce is null) execute function umbel_hand_announce();

-- Not for those that another service's `flow.executed` started: the two would start each other for ever.
create function umbel_tell_registered() returns trigger language plpgsql as $$
begin
  insert into ms_event (name, tenant, payload) values ('flow.executed', new.tenant, jsonb_build_object(
    'flow', new.task_id, 'executionId', new.task_flow_id, 'version', new.version, 'trigger', new.trigger - 'request',
    'parent', new.parent_flow_id, 'registeredAt', umbel_iso(new.registered_ts)));
  return null;
end $$;
create trigger umbel_tell_registered after insert on kr_flow_stat for each row
  when (new.announce = 2 and new.trigger ->> 'kind' is distinct from 'event') execute function umbel_tell_registered();

create function umbel_tell_ended() returns trigger language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
declare
  failure jsonb;
begin
  if new.flow_status in ('failed', 'compensation_failed') then
    select jsonb_build_object('step', coalesce(p.step, t.task_seq::text), 'name', t.error -> 'name', 'message', t.error -> 'message') into failure
      from kr_task_stat t left join ms_plan p on p.version = t.version and p.task_exec_seq = t.task_exec_seq
      where t.task_flow_id = new.task_flow_id and t.exec_status = 2 and t.reason = 'failed' order by t.task_exec_seq limit 1;
    failure := coalesce(new.error, failure);
  end if;
  insert into ms_event (name, tenant, payload) values (
    case new.flow_status when 'success' then 'execution.finished' when 'aborted' then 'execution.aborted' else 'execution.failed' end,
    new.tenant, jsonb_build_object(
      'id', new.task_flow_id, 'flow', new.task_id, 'version', new.version, 'status', new.flow_status, 'error', failure,
      'trigger', new.trigger - 'request', 'parent', new.parent_flow_id,
      'registeredAt', umbel_iso(new.registered_ts), 'finishedAt', umbel_iso(coalesce(new.finished_ts, now()))));
  return null;
end $$;
create trigger umbel_tell_ended after update of flow_status on kr_flow_stat for each row
  when (new.announce is not null and new.flow_status <> old.flow_status
    and (new.announce = 2 or new.flow_status <> 'success') and new.flow_status in ('success', 'failed', 'aborted', 'compensation_failed'))
  execute function umbel_tell_ended();

-- Down Migration
drop trigger umbel_tell_ended on kr_flow_stat;
drop trigger umbel_tell_registered on kr_flow_stat;
drop trigger umbel_hand_announce on kr_flow_stat;
drop trigger umbel_flow_announce on ms_flow;
drop function umbel_tell_ended();
drop function umbel_tell_registered();
drop function umbel_hand_announce();
drop function umbel_flow_announce();
alter table kr_flow_stat drop column announce;
alter table ms_flow drop column announce;
drop table ms_delivery;
drop table ms_subscription;
drop function umbel_subscribed();
drop function umbel_announce(jsonb);
drop function umbel_deliver_v1(bigint[]);
drop function umbel_event_flow(jsonb);
drop function umbel_prune_events_v1(timestamptz, bigint, int);
drop function umbel_rebase_events_v1();
drop function umbel_event_unread(bigint, xid8, ms_event_cursor);
drop function umbel_read_events_v1(pg_snapshot, bigint, pg_snapshot, bigint, text[], int);
drop function umbel_remember(pg_snapshot);
drop function umbel_iso(timestamptz);
drop function umbel_event_matches(text, text[]);
drop function umbel_emit_v1(text[], text[], jsonb[]);
drop table ms_event_cursor;
drop table ms_event;
