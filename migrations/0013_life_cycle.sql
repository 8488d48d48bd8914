-- Up Migration
-- Flows that start themselves: what starts them, who owns them, and where they stand between inactive and active.

alter table ms_flow
  add column type       varchar(256),
  add column cron       varchar(256),
  add column timezone   varchar(256),
  add column owners     jsonb not null default '[]',
  add column status     text not null default 'inactive' check (status in ('inactive', 'starting', 'active', 'stopping')),
  add column status_ts  timestamptz not null default now(),
  add column started_by text;
comment on column ms_flow.status is 'inactive, starting, active, stopping; changed by start and stop, never by hand';
comment on column ms_flow.status_ts is 'since when it stands there: a transitional status that is too old is reconciled';

-- Down Migration
alter table ms_flow
  drop column type, drop column cron, drop column timezone, drop column owners, drop column status, drop column status_ts, drop column started_by;
