-- Up Migration
-- The two tables that Flower defines, to the letter. A database that Flower made has them already and keeps its rows.

create table if not exists ms_task_definition (
  task_id       varchar(256) not null,
  task_seq      numeric      not null,
  program       varchar(256) not null,
  task_priority numeric      not null default 0 check (-20 <= task_priority and task_priority < 20),
  param1_key    varchar(1024),
  param1_value  varchar(1024),
  param2_key    varchar(1024),
  param2_value  varchar(1024),
  param3_key    varchar(1024),
  param3_value  varchar(1024),
  param4_key    varchar(1024),
  param4_value  varchar(1024),
  param5_key    varchar(1024),
  param5_value  varchar(1024),
  primary key (task_id, task_seq)
);

create table if not exists kr_task_stat (
  task_flow_id          varchar(256) not null,
  task_exec_seq         numeric      not null,
  depends_task_exec_seq numeric      not null,
  task_id               varchar(256) not null,
  task_seq              numeric      not null,
  exec_status           numeric      not null,
  task_priority         numeric      not null default 0 check (-20 <= task_priority and task_priority < 20),
  parameters            json         not null,
  registered_ts         timestamptz,
  started_ts            timestamptz,
  finished_ts           timestamptz,
  suspended_ts          timestamptz,
  primary key (task_flow_id, task_exec_seq)
);

-- Flower's own definition table may lack the default.
alter table ms_task_definition alter column task_priority set default 0;

-- Down Migration
-- The tables stay: they may be Flower's, and hold its rows.
select 1;
