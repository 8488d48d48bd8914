-- Up Migration
-- The outbox: what happened, written in the transaction in which it happened, for consumers to read in order.

create table ms_event (
  event_id   bigint      generated always as identity primary key,
  xid        xid8        not null default pg_current_xact_id(),
  name       varchar(256) not null,
  service    varchar(256) not null default 'umbel',
  tenant     text        not null default 'local',
  payload    jsonb       not null,
  created_ts timestamptz not null default clock_timestamp()
);
comment on column ms_event.xid is 'its transaction: an event may be read once no older transaction is open, or later commits with smaller ids would be passed over';

-- Writes events into the outbox of the running transaction.
create function umbel_emit_v1(names text[], tenants text[], payloads jsonb[]) returns void language sql as $$
  insert into ms_event (name, tenant, payload) select e.name, e.tenant, e.payload
  from unnest(names, tenants, payloads) with ordinality e(name, tenant, payload, ordinal) order by e.ordinal
$$;

-- Down Migration
drop function umbel_emit_v1(text[], text[], jsonb[]);
drop table ms_event;
