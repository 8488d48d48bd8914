-- Up Migration
-- Flows that start themselves: what starts them, who owns them, and where they stand between inactive and active. Components: what
-- their nodes may name besides programs.

alter table ms_flow
  add column type       varchar(256),
  add column cron       varchar(256),
  add column timezone   varchar(256),
  add column owners     jsonb not null default '[]',
  add column status     text not null default 'inactive' check (status in ('inactive', 'starting', 'active', 'stopping')),
  add column status_ts  timestamptz not null default now(),
  add column started_by text;
comment on column ms_flow.owners is '[{id, type}]; empty: its tenant';
comment on column ms_flow.status is 'inactive, starting, active, stopping; changed by start and stop, never by hand';
comment on column ms_flow.status_ts is 'since when it stands there: a transitional status that is too old is reconciled';
create index ms_flow_moving on ms_flow (status_ts) where status in ('starting', 'stopping');

create table ms_component (
  component_id varchar(256) collate "C" not null check (component_id !~ '^(\.*|program)$' and position('.' in component_id) = 0),
  tenant       text         not null default 'local',
  name         text,
  description  text,
  kind         text         not null check (kind in ('program', 'http', 'process')),
  is_global    boolean      not null default false,
  settings     jsonb        not null default '{}',
  status       text         not null default 'inactive' check (status in ('inactive', 'starting', 'active', 'stopping')),
  status_ts    timestamptz  not null default now(),
  created_ts   timestamptz  not null default now(),
  updated_ts   timestamptz  not null default now(),
  primary key (tenant, component_id)
);
comment on table ms_component is 'what a node''s componentId names when no program is called componentId.function';
comment on column ms_component.settings is 'of its kind: the address of an http component, the argv of a process';
comment on column ms_component.status is 'of a global one, which is started and stopped by hand; others live and die with their flows';
create index ms_component_moving on ms_component (status_ts) where status in ('starting', 'stopping');

-- What the step of a polling flow remembers from one execution to the next.
create table ms_snapshot (
  task_id    varchar(256) collate "C" not null,
  step       varchar(256) not null,
  snapshot   jsonb        not null,
  updated_ts timestamptz  not null default now(),
  primary key (task_id, step)
);

-- Down Migration
drop table ms_snapshot;
drop table ms_component;
drop index ms_flow_moving;
alter table ms_flow
  drop column type, drop column cron, drop column timezone, drop column owners, drop column status, drop column status_ts, drop column started_by;
