-- Up Migration
-- What makes flows start themselves has a record while its flow is not inactive: a schedule when it has a cron, else a hook.

create table ms_schedule (
  task_id       varchar(256) collate "C" primary key references ms_flow on delete cascade,
  cron          varchar(256) not null,
  timezone      varchar(256) not null,
  due_execution timestamptz,
  paused        boolean      not null default false,
  decided_to    timestamptz  not null default clock_timestamp()
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
comment on column ms_schedule.due_execution is 'when it fires next; null: not worked out yet, or its flow is not active';
comment on column ms_schedule.decided_to is 'what was to fire up to here has been decided on';
create index ms_schedule_due on ms_schedule ((coalesce(due_execution, '-infinity'))) where not paused;

create table ms_hook (
  task_id varchar(256) collate "C" primary key references ms_flow on delete cascade,
  queue   varchar(256) not null,
  status  text         not null check (status in ('closed', 'open'))
);
comment on column ms_hook.status is 'open: calls are taken';

-- Keeps the records in step with the flow's status, in the transaction that changes it.
create function umbel_flow_status() returns trigger language plpgsql as $$
begin
  if new.status in ('stopping', 'inactive') or new.cron is not null then
    delete from ms_hook h where h.task_id = new.task_id;
  end if;
  if new.status in ('stopping', 'inactive') or new.cron is null then
    delete from ms_schedule s where s.task_id = new.task_id;
    update kr_fire r set decision = 'cancelled', reason = 'the schedule ended' where r.task_id = new.task_id and r.decision = 'queued';
  end if;
  if new.status in ('starting', 'active') and new.cron is not null then
    insert into ms_schedule as s (task_id, cron, timezone) values (new.task_id, new.cron, coalesce(new.timezone, 'UTC'))
      on conflict (task_id) do update
      set cron = excluded.cron, timezone = excluded.timezone, due_execution = null, decided_to = excluded.decided_to
      where (s.cron, s.timezone) is distinct from (excluded.cron, excluded.timezone) or new.status is distinct from old.status;
    perform pg_notify('umbel', '{"schedules":true}');
  elsif new.status in ('starting', 'active') then
    insert into ms_hook as h (task_id, queue, status) values (new.task_id, new.task_id, case new.status when 'active' then 'open' else 'closed' end)
      on conflict (task_id) do update set status = excluded.status where h.status <> excluded.status;
  end if;
  return null;
end $$;

create trigger umbel_flow_status after update of status, cron, timezone on ms_flow for each row
  when ((new.status, new.cron, new.timezone) is distinct from (old.status, old.cron, old.timezone))
  execute function umbel_flow_status();

-- Down Migration
drop trigger umbel_flow_status on ms_flow;
drop function umbel_flow_status();
drop table ms_hook;
drop table ms_schedule;
