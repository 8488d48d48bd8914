-- Up Migration
-- Hands on an execution as a whole: its status, written by a person, is carried out on its tasks. What each of them becomes then is
-- wired like any other edit, by umbel_wire alone.

create index kr_flow_stat_parent on kr_flow_stat (parent_flow_id) where parent_flow_id is not null;

-- Who changes several tasks holds them first, in the order in which everybody does: tasks by key, then executions by key.
create function umbel_lock_executions(executions text[]) returns void language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
begin
  perform 1 from kr_task_stat t where t.task_flow_id = any (executions) order by t.task_flow_id, t.task_exec_seq for update;
  perform 1 from kr_flow_stat f where f.task_flow_id = any (executions) order by f.task_flow_id for update;
end $$;

-- Executions with those that their tasks started, as far as they have not ended.
create function umbel_family(executions text[]) returns text[] language sql stable
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
  with recursive family as (
    select e::varchar collate "C" flow from unnest(executions) e
    union
    select f.task_flow_id from family p join kr_flow_stat f on f.parent_flow_id = p.flow where f.flow_status in ('open', 'paused')
  ) select array_agg(flow order by flow) from family
$$;

-- umbel_wire writes statuses too: it never pauses, calls aborted only what has nothing suspended and nothing that could move, and open only
-- what moves or stands suspended without a failure. Anything else was a person's.
create function umbel_hand_status() returns trigger language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
declare
  flow constant varchar := new.task_flow_id;
begin
  case new.flow_status
  when 'paused' then
    update kr_task_stat t set hold = true where t.task_flow_id = flow and not t.hold and t.exec_status in (0, 1, 2);
  when 'aborted' then
    if old.flow_status = 'paused' or exists (select from kr_task_stat t where t.task_flow_id = flow
        and (t.exec_status in (1, 2) or t.exec_status = 0 and coalesce(t.waiting_on, 0) = 0)) then
      update kr_task_stat t set hold = false,
          exec_status = case when t.exec_status in (0, 1, 2) then 9 else t.exec_status end,
          reason = case when t.exec_status in (0, 1, 2) then 'aborted' else t.reason end
        where t.task_flow_id = flow and (t.exec_status in (0, 1, 2) or t.hold);
      update kr_flow_stat f set flow_status = 'aborted' where f.parent_flow_id = flow and f.flow_status in ('open', 'paused');
      perform umbel_wire(flow);
    end if;
  when 'open' then
    if old.flow_status = 'paused' then
      update kr_task_stat t set hold = false where t.task_flow_id = flow and t.hold;
      perform umbel_wire(flow);
    elsif new.active = 0 and (case old.flow_status
        when 'failed' then exists (select from kr_task_stat t where t.task_flow_id = flow and t.exec_status = 2 and t.reason = 'failed')
        else not exists (select from kr_task_stat t where t.task_flow_id = flow and t.exec_status = 2) end) then
      update kr_flow_stat f set error = null, output = null where f.task_flow_id = flow;
      update kr_task_stat t set hold = false where t.task_flow_id = flow and t.hold;
      update kr_task_stat t set exec_status = 0, reason = null
        where t.task_flow_id = flow and (t.exec_status = 2 and t.reason in ('failed', 'operator') or t.exec_status = 9 and t.reason = 'aborted');
    end if;
  end case;
  return null;
end $$;

create trigger umbel_hand_status after update of flow_status on kr_flow_stat for each row
  when (new.flow_status <> old.flow_status
    and (new.flow_status in ('paused', 'aborted') or (new.flow_status = 'open' and old.flow_status in ('paused', 'failed', 'aborted'))))
  execute function umbel_hand_status();

comment on column kr_flow_stat.flow_status is 'open until it ends; whether an open one is pending, running or waiting is read from its tasks; set paused, aborted or open to pause, abort or resume it';

-- Down Migration
drop trigger umbel_hand_status on kr_flow_stat;
drop function umbel_hand_status();
drop function umbel_family(text[]);
drop function umbel_lock_executions(text[]);
drop index kr_flow_stat_parent;
comment on column kr_flow_stat.flow_status is 'open until it ends; whether an open one is pending, running or waiting is read from its tasks';
