-- Up Migration
-- Engine columns (nullable or defaulted, so that inserts which know only Flower's columns go on working) and our own tables.

alter table ms_task_definition
  add column step_id          varchar(256),
  add column depends_task_seq numeric[],
  add column after            text[],
  add column before           text[],
  add column params           jsonb,
  add column pool             varchar(256),
  add column options          jsonb;

comment on column ms_task_definition.depends_task_seq is 'predecessors by task_seq; null: the previous step; {}: a root';
comment on column ms_task_definition.after is 'predecessors by step_id; given, it replaces depends_task_seq';
comment on column ms_task_definition.params is 'parameters as any JSON object; given, it replaces the five pairs';

-- Rebuilds the primary key on a database that Flower made: comparing in the "C" collation is what keeps claims fast.
alter table kr_task_stat alter column task_flow_id type varchar(256) collate "C";

alter table kr_task_stat
  add column version    uuid,
  add column pool       varchar(256) not null default 'default',
  add column depends    numeric[],
  add column edges      text[],
  add column need       integer,
  add column releases   numeric[],
  add column wire_on    smallint not null default 0,
  add column chosen     numeric[],
  add column waiting_on integer,
  add column live       integer,
  add column unwired    boolean not null default true,
  add column ready      boolean not null default false,
  add column hold       boolean not null default false,
  add column limited    boolean not null default false,
  add column limits     jsonb,
  add column reason     text,
  add column watcher_id integer,
  add column attempt    integer not null default 0,
  add column lost       integer not null default 0,
  add column retried    integer not null default 0,
  add column revision   integer not null default 0,
  add column input      jsonb,
  add column result     jsonb,
  add column error      jsonb,
  add column checkpoint jsonb,
  add column delivered  jsonb;

comment on column kr_task_stat.version is 'the definition it was registered with; null: inserted by hand, looked up by task_id and task_seq';
comment on column kr_task_stat.edges is 'which end of each of depends counts, in the same order: succeeded, failed, always, goto; null: succeeded';
comment on column kr_task_stat.need is 'arrivals that are enough; null: all';
comment on column kr_task_stat.wire_on is 'whose ends wire the whole execution: 1 a failure, since an edge takes it; 2 any, since an edge asks for a failure';
comment on column kr_task_stat.chosen is 'the dependants that its end let go on, where that was not left to the edges';
comment on column kr_task_stat.waiting_on is 'arrivals still needed; null: to be wired at commit';
comment on column kr_task_stat.unwired is 'inserted by hand, and its transaction has not committed';
comment on column kr_task_stat.live is 'how many predecessors may still fail to arrive before the task is skipped; at 0 it is';
comment on column kr_task_stat.ready is 'may be claimed: exactly the rows of the claim indexes';
comment on column kr_task_stat.hold is 'paused: neither claimed nor handed over';
comment on column kr_task_stat.limited is 'claimed only together with slots of its keys, see umbel_take_v1';
comment on column kr_task_stat.limits is 'the keys that were worked out for it, and their limits';
comment on column kr_task_stat.reason is 'why 2 or 9';
comment on column kr_task_stat.attempt is 'times claimed; fences late answers';
comment on column kr_task_stat.lost is 'times its watcher died; counted apart from retries';
comment on column kr_task_stat.retried is 'times it was tried again after a failure';
comment on column kr_task_stat.checkpoint is 'what the last attempt left for the next one';
comment on column kr_task_stat.delivered is 'what the task waited for, there until the attempt that sees it ends';
comment on column kr_task_stat.revision is 'bumped by every write of the engine; an update that leaves it is a hand at work';

-- HOT updates need room on the page for a whole batch of versions (a third less WAL than at 70); the claim index and the
-- primary key are all the indexes that grow with this table.
alter table kr_task_stat set (
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_insert_scale_factor = 0.2,
  autovacuum_analyze_scale_factor = 0.05,
  autovacuum_vacuum_cost_delay = 0
);
-- Empty but for what a transaction inserts by hand, until it commits.
create index kr_task_stat_unwired on kr_task_stat (task_flow_id) where unwired;
create index kr_task_stat_ready on kr_task_stat (pool, task_priority, task_flow_id, task_exec_seq desc) where ready and not limited;
-- Empty but for tasks with a limit.
create index kr_task_stat_limited on kr_task_stat (pool, task_priority, task_flow_id, task_exec_seq desc) where ready and limited;

create table ms_flow (
  task_id     varchar(256) collate "C" primary key,
  tenant      text         not null default 'local',
  name        text,
  description text,
  max_running integer check (max_running > 0),
  revision    bigint       not null default 1,
  created_ts  timestamptz  not null default now(),
  updated_ts  timestamptz  not null default now()
);
comment on column ms_flow.max_running is 'executions at once; null: no limit';
comment on column ms_flow.revision is 'bumped by every change of the definition, whoever makes it';

create table ms_flow_version (
  version    uuid primary key,
  task_id    varchar(256) collate "C" not null,
  definition jsonb        not null,
  base       uuid,
  output     varchar(256),
  created_ts timestamptz  not null default now()
);
comment on column ms_flow_version.base is 'of executions that were started with options: the version without them';
comment on column ms_flow_version.output is 'the step whose result is that of its executions; null: the last ones''';
create index ms_flow_version_flow on ms_flow_version (task_id, created_ts);

-- What registering copies: one row for each task of an execution of that version. Never changed once written.
create table ms_plan (
  version       uuid         not null,
  task_exec_seq numeric      not null,
  task_seq      numeric      not null,
  step          varchar(256) not null,
  program       varchar(256) not null,
  task_priority numeric      not null,
  pool          varchar(256) not null,
  parameters    json         not null,
  depends       numeric[]    not null,
  edges         text[],
  need          integer,
  releases      numeric[]    not null,
  wire_on       smallint     not null,
  waiting_on    integer      not null,
  live          integer      not null,
  selected      boolean      not null default true,
  limited       boolean      not null default false,
  options       jsonb,
  primary key (version, task_exec_seq)
);
comment on column ms_plan.selected is 'false: its executions leave the task out, and what comes after it goes on';

create table kr_flow_stat (
  task_flow_id    varchar(256) collate "C" primary key,
  task_id         varchar(256) collate "C" not null,
  tenant          text     not null default 'local',
  version         uuid,
  flow_status     text     not null default 'open' check (flow_status in ('open', 'paused', 'success', 'failed', 'aborted', 'compensating', 'compensation_failed')),
  active          integer  not null default 0,
  irregular       boolean  not null default false,
  fail_fast       boolean  not null default false,
  place           smallint check (place in (0, 1, 2)),
  trigger         jsonb,
  input           jsonb,
  output          jsonb,
  error           jsonb,
  parent_flow_id  varchar(256),
  parent_exec_seq numeric,
  idempotency_key varchar(256),
  deadline_ts     timestamptz,
  registered_ts   timestamptz not null default now(),
  finished_ts     timestamptz
) with (fillfactor = 45, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

comment on column kr_flow_stat.flow_status is 'open until it ends; whether an open one is pending, running or waiting is read from its tasks';
comment on column kr_flow_stat.active is 'tasks that can move by themselves: ready, held, running or waiting for something outside';
comment on column kr_flow_stat.irregular is 'a task failed or a hand was at work: its end is judged by looking at all its tasks';
comment on column kr_flow_stat.fail_fast is 'the first failure that stays stops the other branches';
comment on column kr_flow_stat.place is 'of a flow with max_running: 0 waits for a place, 1 has one, 2 gave it back; null: no limit';

create unique index kr_flow_stat_idempotency on kr_flow_stat (tenant, task_id, idempotency_key) where idempotency_key is not null;
create index kr_flow_stat_newest on kr_flow_stat (registered_ts, task_flow_id);
-- Which versions of steps that no flow holds are in use; there is nothing in it otherwise.
create index kr_flow_stat_ad_hoc on kr_flow_stat (version) where task_id = 'adhoc';
create index kr_flow_stat_place on kr_flow_stat (task_id, place, task_flow_id) where place in (0, 1);

-- One heartbeat a process; silent past lease_until it is dead, and anyone may return its tasks.
create table kr_watcher (
  watcher_id  integer generated always as identity primary key,
  name        text        not null,
  pool        varchar(256) not null,
  workers     integer     not null,
  programs    text[]      not null default '{}',
  release     text        not null,
  started_ts  timestamptz not null default now(),
  lease_until timestamptz not null
) with (fillfactor = 50);

-- What a watcher holds, a row for each batch it took: rescue reads here instead of looking for Running rows.
create table kr_claim (
  watcher_id integer  not null,
  claim_no   bigint   not null,
  part       smallint not null,
  flows      text[]    collate "C" not null,
  seqs       numeric[] not null,
  primary key (watcher_id, claim_no, part)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
alter table kr_claim alter column flows set storage external;

-- Times that will come. A task with a retry or a sleep is at Wait, and not in the claim index until then; wait and beat end a waiting
-- for the outside: it took too long, or gave no sign of life for too long. A deadline is of a whole execution, and has the seq -1.
create table kr_timer (
  task_flow_id  varchar(256) collate "C" not null,
  task_exec_seq numeric     not null,
  kind          text        not null check (kind in ('retry', 'sleep', 'wait', 'beat', 'deadline')),
  due_ts        timestamptz not null,
  primary key (task_flow_id, task_exec_seq, kind)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
create index kr_timer_due on kr_timer (due_ts);

-- Down Migration
drop table kr_timer;
drop table kr_claim;
drop table kr_watcher;
drop table kr_flow_stat;
drop table ms_plan;
drop table ms_flow_version;
drop table ms_flow;
drop index kr_task_stat_unwired;
drop index kr_task_stat_limited;
drop index kr_task_stat_ready;
alter table kr_task_stat reset (
  fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor, autovacuum_analyze_scale_factor, autovacuum_vacuum_cost_delay
);
alter table kr_task_stat
  drop column version, drop column pool, drop column depends, drop column edges, drop column need, drop column releases, drop column wire_on,
  drop column chosen, drop column waiting_on, drop column live,
  drop column unwired, drop column ready, drop column hold, drop column limited, drop column limits, drop column reason, drop column watcher_id, drop column attempt, drop column lost,
  drop column retried, drop column revision, drop column input, drop column result, drop column error, drop column checkpoint, drop column delivered;
alter table ms_task_definition
  drop column step_id, drop column depends_task_seq, drop column after, drop column before, drop column params,
  drop column pool, drop column options;
