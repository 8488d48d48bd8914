-- Up Migration
-- What programs logged, kept with their tasks. Written in batches beside the hot path; a line is numbered by the watcher that heard it, so
-- that a batch whose answer was lost may be sent again.

create table kr_task_log (
  task_flow_id  varchar(256) collate "C" not null,
  task_exec_seq numeric     not null,
  attempt       integer     not null,
  line_no       integer     not null,
  level         text        not null check (level in ('debug', 'info', 'warn', 'error')),
  message       text        not null,
  fields        jsonb,
  logged_ts     timestamptz not null,
  primary key (task_flow_id, task_exec_seq, attempt, line_no)
);

-- Down Migration
drop table kr_task_log;
