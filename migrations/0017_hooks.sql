-- Up Migration
-- What webhooks need besides their record: the answer that a flow gives to its caller, the signatures that were used up, the calls
-- of limited hooks, and word to other processes when a hook opens, closes or changes.

alter table kr_flow_stat add column reply jsonb;
comment on column kr_flow_stat.reply is 'what hook.reply answered: status, headers, body, and by which task; the first one stays';

create table kr_hook_seen (
  task_id    varchar(256) collate "C" not null,
  seen       text        not null,
  expires_ts timestamptz not null,
  primary key (task_id, seen)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
comment on table kr_hook_seen is 'signed calls that were taken, by a hash of what was signed; past expires_ts their time alone refuses them';

create table kr_hook_rate (
  task_id   varchar(256) collate "C" not null,
  per_ms    bigint      not null,
  window_no bigint      not null,
  calls     bigint      not null,
  primary key (task_id, per_ms, window_no)
) with (fillfactor = 50, autovacuum_vacuum_cost_delay = 0);
comment on table kr_hook_rate is 'calls of hooks with a rate, all processes together; a window is so many times per_ms since 1970';

create function umbel_hook_changed() returns trigger language plpgsql as $$
begin
  perform pg_notify('umbel_hooks', json_build_object('hook', case tg_op when 'DELETE' then old.task_id else new.task_id end)::text);
  return null;
end $$;
create trigger umbel_hook_changed after insert or update or delete on ms_hook for each row execute function umbel_hook_changed();
create trigger umbel_hook_settings after update of settings on ms_flow for each row
  when (new.settings is distinct from old.settings) execute function umbel_hook_changed();

-- The first one stays. Whoever waits for it in another process is told.
create function umbel_hook_reply_v1(execution text, reply jsonb) returns boolean language plpgsql as $$
declare
  stored jsonb;
begin
  update kr_flow_stat f set reply = umbel_hook_reply_v1.reply where f.task_flow_id = execution and f.reply is null returning f.reply into stored;
  if found then
    perform pg_notify('umbel_hooks', json_build_object('reply', execution)::text);
    return true;
  end if;
  -- The answer of an attempt whose own end was lost counts as this one's.
  return coalesce((select f.reply ->> 'by' = umbel_hook_reply_v1.reply ->> 'by' from kr_flow_stat f where f.task_flow_id = execution), false);
end $$;

-- Down Migration
drop function umbel_hook_reply_v1(text, jsonb);
drop trigger umbel_hook_settings on ms_flow;
drop trigger umbel_hook_changed on ms_hook;
drop function umbel_hook_changed();
drop table kr_hook_rate;
drop table kr_hook_seen;
alter table kr_flow_stat drop column reply;
