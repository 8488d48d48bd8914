-- Up Migration
-- Tasks that wait for the outside: they stand at 2, hold no worker, and go back to Wait with what came. Locks as everywhere: tasks by key,
-- then executions; who signals and who begins to wait both hold the execution, so that they cannot miss each other.

create table kr_wait (
  task_flow_id  varchar(256) collate "C" not null,
  task_exec_seq numeric      not null,
  kind          text         not null check (kind in ('signal', 'callback', 'sub_execution')),
  token         text         not null default gen_random_uuid()::text,
  name          varchar(256),
  fallback      jsonb,
  early         jsonb,
  beat          float8,
  since_ts      timestamptz  not null default clock_timestamp(),
  primary key (task_flow_id, task_exec_seq, kind)
);
create unique index kr_wait_token on kr_wait (token);
comment on table kr_wait is 'what a task at 2 waits for; the reason of the task says which';
comment on column kr_wait.token is 'of a callback: whoever knows it may answer; of a sub_execution: its task_flow_id';
comment on column kr_wait.name is 'of the signal';
comment on column kr_wait.fallback is 'what is delivered when the time is over; null: a TimeoutError';
comment on column kr_wait.beat is 'milliseconds: without a sign of life for so long it is over';
comment on column kr_wait.early is 'what came before the task stood waiting';

create table kr_signal (
  signal_id     bigint       generated always as identity primary key,
  task_flow_id  varchar(256) collate "C" not null,
  name          varchar(256) not null,
  value         jsonb,
  sender        text,
  comment       text,
  sent_ts       timestamptz  not null default clock_timestamp(),
  task_exec_seq numeric,
  delivered_ts  timestamptz
);
comment on table kr_signal is 'signals to executions; a row inserted by hand is one as well';
comment on column kr_signal.task_exec_seq is 'the task that got it; null: kept until one waits for its name';
create index kr_signal_name on kr_signal (task_flow_id, name, signal_id);

create table kr_limit (
  task_flow_id  varchar(256) collate "C" not null,
  task_exec_seq numeric     not null,
  until_ts      timestamptz not null,
  primary key (task_flow_id, task_exec_seq)
);
comment on table kr_limit is 'when a task must have ended, whatever number of attempts it makes; written at the first of them';

create table kr_start (
  task_flow_id varchar(256) collate "C" primary key,
  tenant       text         not null,
  task_id      varchar(256) not null,
  input        jsonb        not null,
  start_id     text         not null default gen_random_uuid()::text
);
comment on table kr_start is 'a flow (task_id) that a watcher is to start, because the execution (task_flow_id) failed';

-- Hands messages to tasks that wait, each locked by the caller: back to Wait, and ready unless something else holds them.
-- A message is {kind} with {value} or {error}; those that wait for nothing of the kind any more do not get it.
create function umbel_deliver_v1(flows text[], seqs numeric[], messages jsonb[]) returns int language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
declare
  woken_flows text[]; woken_seqs numeric[]; pools text[]; priorities numeric[]; kinds text[];
  undone text[];
begin
  with woken as (
    update kr_task_stat t set
      exec_status = 0, reason = null, suspended_ts = null, delivered = u.message, revision = t.revision + 1,
      ready = coalesce(t.waiting_on = 0 and t.live > 0 and not t.hold, false)
        and not exists (select from kr_flow_stat f where f.task_flow_id = u.flow and f.place = 0)
    from unnest(flows, seqs, messages) u(flow, seq, message)
    where t.task_flow_id = u.flow and t.task_exec_seq = u.seq and t.exec_status = 2 and t.reason = u.message ->> 'kind'
    returning t.task_flow_id flow, t.task_exec_seq seq, u.message ->> 'kind' kind, t.pool, t.task_priority priority, t.ready,
      t.waiting_on > 0 or t.live = 0 undone
  )
  select array_agg(w.flow), array_agg(w.seq), array_agg(w.kind),
         array_agg(w.pool) filter (where w.ready), array_agg(w.priority) filter (where w.ready),
         array_agg(distinct w.flow order by w.flow) filter (where w.undone)
    into woken_flows, woken_seqs, kinds, pools, priorities, undone from woken w;
  if woken_flows is null then return 0; end if;
  delete from kr_wait w using unnest(woken_flows, woken_seqs, kinds) u(flow, seq, kind)
    where w.task_flow_id = u.flow and w.task_exec_seq = u.seq and w.kind = u.kind;
  delete from kr_timer k using unnest(woken_flows, woken_seqs) u(flow, seq)
    where k.task_flow_id = u.flow and k.task_exec_seq = u.seq and k.kind in ('wait', 'beat');
  perform pg_notify('umbel', json_build_object('pool', u.pool, 'priority', min(u.priority))::text)
    from unnest(pools, priorities) u(pool, priority) group by u.pool;
  perform umbel_wire_undone(undone);
  return cardinality(woken_flows);
end $$;

-- Gives the signals of these executions, locked by the caller, to the tasks that wait for them: the first that came to the first that waits.
create function umbel_match_v1(executions text[]) returns int language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
declare
  flows text[]; seqs numeric[]; messages jsonb[];
begin
  perform 1 from kr_wait w
    join kr_task_stat t on t.task_flow_id = w.task_flow_id and t.task_exec_seq = w.task_exec_seq
    where w.task_flow_id = any (executions) and w.kind = 'signal' order by t.task_flow_id, t.task_exec_seq for update of t;
  with waiting as (
    select w.task_flow_id flow, w.task_exec_seq seq, w.name,
      row_number() over (partition by w.task_flow_id, w.name order by w.since_ts, w.task_exec_seq) n
    from kr_wait w
    join kr_task_stat t on t.task_flow_id = w.task_flow_id and t.task_exec_seq = w.task_exec_seq
    where w.task_flow_id = any (executions) and w.kind = 'signal' and t.exec_status = 2 and t.reason = 'signal'
  ), kept as (
    select s.signal_id, s.task_flow_id flow, s.name, row_number() over (partition by s.task_flow_id, s.name order by s.signal_id) n
    from kr_signal s where s.task_flow_id = any (executions) and s.task_exec_seq is null
  ), matched as (
    update kr_signal s set task_exec_seq = w.seq, delivered_ts = clock_timestamp()
    from waiting w join kept k on k.flow = w.flow and k.name = w.name and k.n = w.n
    where s.signal_id = k.signal_id
    returning s.task_flow_id flow, w.seq, jsonb_build_object('kind', 'signal', 'value', s.value, 'by', s.sender, 'comment', s.comment,
      'at', to_char(s.sent_ts at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) message
  )
  select array_agg(m.flow), array_agg(m.seq), array_agg(m.message) into flows, seqs, messages from matched m;
  return case when flows is null then 0 else umbel_deliver_v1(flows, seqs, messages) end;
end $$;

-- Lets tasks wait that a watcher has just settled so. A wait is {kind, token?, name?, default?, beat?}; when its time is over, the default is delivered.
create function umbel_wait_v1(watcher int, flows text[], seqs numeric[], attempts int[], timeouts float8[], waits jsonb[])
returns void language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
declare
  since constant timestamptz := clock_timestamp();
  early_flows text[]; early_seqs numeric[]; messages jsonb[];
begin
  select array_agg(u.flow), array_agg(u.seq), array_agg(u.timeout), array_agg(u.wait) into flows, seqs, timeouts, waits
    from unnest(flows, seqs, attempts, timeouts, waits) u(flow, seq, attempt, timeout, wait)
    where u.wait is not null and exists (
      select from kr_task_stat t where t.task_flow_id = u.flow and t.task_exec_seq = u.seq
        and t.exec_status = 2 and t.reason = u.wait ->> 'kind' and t.watcher_id = watcher and t.attempt = u.attempt);
  if flows is null then return; end if;
  perform 1 from kr_flow_stat f where f.task_flow_id = any (flows) order by f.task_flow_id for update;
  insert into kr_wait (task_flow_id, task_exec_seq, kind, token, name, since_ts, beat, fallback)
    select u.flow, u.seq, u.wait ->> 'kind', coalesce(u.wait ->> 'token', gen_random_uuid()::text), u.wait ->> 'name', since, (u.wait ->> 'beat')::float8,
      case when u.wait ? 'default' then jsonb_build_object('value', u.wait -> 'default') end
    from unnest(flows, seqs, waits) u(flow, seq, wait)
    on conflict (task_flow_id, task_exec_seq, kind) do update set name = excluded.name, beat = excluded.beat, fallback = excluded.fallback;
  insert into kr_timer (task_flow_id, task_exec_seq, kind, due_ts)
    select u.flow, u.seq, 'wait', since + u.timeout * interval '1 millisecond'
    from unnest(flows, seqs, timeouts) u(flow, seq, timeout) where u.timeout is not null
    union all
    select u.flow, u.seq, 'beat', since + (u.wait ->> 'beat')::float8 * interval '1 millisecond'
    from unnest(flows, seqs, waits) u(flow, seq, wait) where u.wait ? 'beat'
    on conflict do nothing;
  perform umbel_match_v1(flows);
  select array_agg(u.flow), array_agg(u.seq), array_agg(w.early) into early_flows, early_seqs, messages
    from unnest(flows, seqs, waits) u(flow, seq, wait)
    join kr_wait w on w.task_flow_id = u.flow and w.task_exec_seq = u.seq and w.kind = u.wait ->> 'kind' and w.early is not null;
  if early_flows is not null then
    perform umbel_deliver_v1(early_flows, early_seqs, messages);
  end if;
end $$;

-- Ends the waiting of tasks, locked by the caller, whose time is over.
create function umbel_time_out_v1(flows text[], seqs numeric[]) returns int language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
declare
  messages jsonb[];
begin
  select array_agg(w.task_flow_id), array_agg(w.task_exec_seq), array_agg(jsonb_build_object('kind', w.kind, 'timedOut', true)
      || coalesce(w.fallback, jsonb_build_object('error', jsonb_build_object('name', 'TimeoutError', 'message', case w.kind
        when 'signal' then format('the signal "%s" did not come in time', w.name)
        when 'callback' then 'the callback did not come in time'
        else 'the execution that it started did not end in time' end))))
    into flows, seqs, messages
    from unnest(flows, seqs) u(flow, seq)
    join kr_task_stat t on t.task_flow_id = u.flow and t.task_exec_seq = u.seq and t.exec_status = 2
    join kr_wait w on w.task_flow_id = u.flow and w.task_exec_seq = u.seq and w.kind = t.reason;
  return case when flows is null then 0 else umbel_deliver_v1(flows, seqs, messages) end;
end $$;

-- Sends a signal to an execution, kept until a task waits for it. Answers how the execution stood: only an unfinished one takes signals;
-- null: the tenant has none with this id.
create function umbel_signal_v1(of_tenant text, execution text, signal text, value jsonb, sender text, comment text) returns text language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
declare
  status text;
begin
  perform 1 from kr_wait w
    join kr_task_stat t on t.task_flow_id = w.task_flow_id and t.task_exec_seq = w.task_exec_seq
    where w.task_flow_id = execution and w.kind = 'signal' order by t.task_exec_seq for update of t;
  select f.flow_status into status from kr_flow_stat f where f.task_flow_id = execution and f.tenant = of_tenant for update;
  if status in ('open', 'paused') then
    insert into kr_signal (task_flow_id, name, value, sender, comment) values (execution, signal, value, sender, comment);
  end if;
  return status;
end $$;

-- Answers for the task whose callback has this token: delivered; kept, when its program has not ended yet; used or ended, when no answer is
-- taken any more; unknown.
create function umbel_call_back_v1(of_token text, message jsonb) returns text language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
declare
  wait record;
  task record;
begin
  select w.task_flow_id flow, w.task_exec_seq seq into wait from kr_wait w where w.token = of_token and w.kind = 'callback';
  if not found then return 'unknown'; end if;
  select t.exec_status, t.reason into task from kr_task_stat t where t.task_flow_id = wait.flow and t.task_exec_seq = wait.seq for update;
  select w.task_flow_id flow, w.task_exec_seq seq, w.early into wait from kr_wait w where w.token = of_token and w.kind = 'callback';
  if not found then return 'unknown'; end if;
  if wait.early is not null then return 'used'; end if;
  if task.exec_status in (3, 9) or (task.exec_status = 2 and task.reason = 'failed') then return 'ended'; end if;
  if umbel_deliver_v1(array[wait.flow], array[wait.seq], array[message || '{"kind": "callback"}']) = 1 then return 'delivered'; end if;
  update kr_wait w set early = message || '{"kind": "callback"}' where w.token = of_token;
  return 'kept';
end $$;

-- A sign of life of whoever works for the task: it has its time between two of them again. False: nobody knows the token.
create function umbel_beat_v1(of_token text) returns boolean language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
begin
  update kr_timer k set due_ts = clock_timestamp() + w.beat * interval '1 millisecond'
    from kr_wait w
    where w.token = of_token and w.kind = 'callback' and k.task_flow_id = w.task_flow_id and k.task_exec_seq = w.task_exec_seq and k.kind = 'beat';
  return found or exists (select from kr_wait w where w.token = of_token and w.kind = 'callback');
end $$;

-- A hand decided otherwise: the task waits no longer. What it started and has not seen the end of is aborted.
create function umbel_wait_no_more(execution text, seq numeric, unfinished boolean) returns void language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
declare
  child text;
begin
  delete from kr_limit l where l.task_flow_id = execution and l.task_exec_seq = seq;
  for child in delete from kr_wait w where w.task_flow_id = execution and w.task_exec_seq = seq
      returning case when w.kind = 'sub_execution' and w.early is null and unfinished then w.token end loop
    continue when child is null;
    update kr_flow_stat f set flow_status = 'aborted' where f.task_flow_id = child and f.flow_status in ('open', 'paused');
  end loop;
end $$;

-- The end of an execution, or its deletion, goes to the task that waits for it, in the same transaction.
create function umbel_child_ended() returns trigger language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
declare
  child constant text := old.task_flow_id;
  message constant jsonb := jsonb_build_object('kind', 'sub_execution', 'execution', child);
  wait record;
begin
  select w.task_flow_id flow, w.task_exec_seq seq into wait from kr_wait w where w.token = child and w.kind = 'sub_execution' and w.early is null;
  if not found then return null; end if;
  perform 1 from kr_task_stat t where t.task_flow_id = wait.flow and t.task_exec_seq = wait.seq for update;
  if umbel_deliver_v1(array[wait.flow], array[wait.seq], array[message]) = 0 then
    update kr_wait w set early = message where w.token = child and w.kind = 'sub_execution';
  end if;
  return null;
end $$;

create trigger umbel_child_ended after update of flow_status on kr_flow_stat for each row
  when (new.parent_flow_id is not null and new.flow_status <> old.flow_status
    and new.flow_status in ('success', 'failed', 'aborted', 'compensation_failed'))
  execute function umbel_child_ended();
create trigger umbel_child_deleted after delete on kr_flow_stat for each row
  when (old.parent_flow_id is not null) execute function umbel_child_ended();

-- Deadlines of executions, as kr_flow_stat.deadline_ts has them.
create function umbel_deadline() returns trigger language plpgsql as $$
begin
  if new.deadline_ts is null or new.finished_ts is not null then
    delete from kr_timer k where k.task_flow_id = new.task_flow_id and k.kind = 'deadline';
  else
    insert into kr_timer (task_flow_id, task_exec_seq, kind, due_ts) values (new.task_flow_id, -1, 'deadline', new.deadline_ts)
      on conflict (task_flow_id, task_exec_seq, kind) do update set due_ts = excluded.due_ts;
  end if;
  return null;
end $$;

create trigger umbel_deadline_set after insert on kr_flow_stat for each row
  when (new.deadline_ts is not null) execute function umbel_deadline();
create trigger umbel_deadline_changed after update on kr_flow_stat for each row
  when (coalesce(new.deadline_ts, old.deadline_ts) is not null
    and (new.deadline_ts is distinct from old.deadline_ts or (new.finished_ts is null) <> (old.finished_ts is null)))
  execute function umbel_deadline();

-- Fails an execution whose deadline is over: all that could still move, here and in what it started.
create function umbel_expire_v1(execution text) returns void language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
declare
  failure constant jsonb := '{"name": "DeadlineError", "message": "the execution did not end before its deadline"}';
begin
  perform umbel_lock_executions(umbel_family(array[execution]));
  delete from kr_timer k where k.task_flow_id = execution and k.kind = 'deadline' and k.due_ts <= clock_timestamp();
  if not found then return; end if;
  perform 1 from kr_flow_stat f where f.task_flow_id = execution and f.flow_status in ('open', 'paused');
  if not found then return; end if;
  delete from kr_timer k where k.task_flow_id = execution;
  delete from kr_wait w where w.task_flow_id = execution;
  delete from kr_limit l where l.task_flow_id = execution;
  update kr_task_stat t set exec_status = 2, reason = 'failed', ready = false, watcher_id = null, delivered = null, error = failure,
      finished_ts = null, suspended_ts = clock_timestamp(), revision = t.revision + 1
    where t.task_flow_id = execution and (t.exec_status = 1 or (t.exec_status = 0 and t.waiting_on = 0) or (t.exec_status = 2 and t.reason <> 'failed'));
  update kr_flow_stat f set error = failure where f.task_flow_id = execution;
  update kr_flow_stat f set flow_status = 'aborted' where f.parent_flow_id = execution and f.flow_status in ('open', 'paused');
  update kr_flow_stat f set flow_status = 'open' where f.task_flow_id = execution and f.flow_status = 'paused';
  perform umbel_wire(execution);
end $$;

-- Keeps what running programs of a watcher left for the next attempt, but for rows that somebody keeps locked. Answers what it kept, by position.
create function umbel_checkpoint_v1(watcher int, flows text[], seqs numeric[], attempts int[], checkpoints jsonb[]) returns setof int language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
begin
  return query with free as materialized (
    select u.*, k.tid from unnest(flows, seqs, attempts, checkpoints) with ordinality u(flow, seq, attempt, checkpoint, ordinal)
    cross join lateral (
      select t.ctid tid from kr_task_stat t where t.task_flow_id = u.flow and t.task_exec_seq = u.seq
        and t.exec_status = 1 and t.watcher_id = watcher and t.attempt = u.attempt for no key update skip locked) k
  )
  update kr_task_stat t set checkpoint = f.checkpoint, revision = t.revision + 1
    from free f where t.ctid = f.tid
    returning f.ordinal::int - 1;
end $$;

-- The flow that is named for failures is started by whichever watcher looks next; never for the failure of one that was started so.
create function umbel_failed() returns trigger language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
begin
  insert into kr_start (task_flow_id, tenant, task_id, input)
    select new.task_flow_id, new.tenant, v.definition #>> '{settings,onFailure}', jsonb_build_object(
      'execution', new.task_flow_id, 'flow', new.task_id, 'error', coalesce(new.error, (
        select t.error from kr_task_stat t where t.task_flow_id = new.task_flow_id and t.exec_status = 2 and t.reason = 'failed'
        order by t.task_exec_seq limit 1)))
    from ms_flow_version v where v.version = new.version and v.definition #>> '{settings,onFailure}' is not null
    on conflict do nothing;
  return null;
end $$;

create trigger umbel_failed after update of flow_status on kr_flow_stat for each row
  when (new.flow_status = 'failed' and old.flow_status <> 'failed' and new.version is not null and new.trigger ->> 'kind' is distinct from 'failure')
  execute function umbel_failed();

create function umbel_signalled() returns trigger language plpgsql as $$
declare
  unknown text;
begin
  select s.task_flow_id into unknown from come s where not exists (select from kr_flow_stat f where f.task_flow_id = s.task_flow_id) limit 1;
  if unknown is not null then
    raise exception 'there is no execution "%"', unknown using errcode = 'foreign_key_violation';
  end if;
  perform 1 from kr_flow_stat f where f.task_flow_id in (select s.task_flow_id from come s) order by f.task_flow_id for update;
  perform umbel_match_v1(array(select distinct s.task_flow_id::text from come s where s.task_exec_seq is null));
  return null;
end $$;

create trigger umbel_signalled after insert on kr_signal
  referencing new table as come for each statement execute function umbel_signalled();

-- Down Migration
drop trigger umbel_signalled on kr_signal;
drop function umbel_signalled();
drop trigger umbel_failed on kr_flow_stat;
drop function umbel_failed();
drop function umbel_checkpoint_v1(int, text[], numeric[], int[], jsonb[]);
drop function umbel_expire_v1(text);
drop trigger umbel_deadline_changed on kr_flow_stat;
drop trigger umbel_deadline_set on kr_flow_stat;
drop function umbel_deadline();
drop trigger umbel_child_deleted on kr_flow_stat;
drop trigger umbel_child_ended on kr_flow_stat;
drop function umbel_child_ended();
drop function umbel_wait_no_more(text, numeric, boolean);
drop function umbel_beat_v1(text);
drop function umbel_call_back_v1(text, jsonb);
drop function umbel_signal_v1(text, text, text, jsonb, text, text);
drop function umbel_time_out_v1(text[], numeric[]);
drop function umbel_wait_v1(int, text[], numeric[], int[], float8[], jsonb[]);
drop function umbel_match_v1(text[]);
drop function umbel_deliver_v1(text[], numeric[], jsonb[]);
drop table kr_start;
drop table kr_limit;
drop table kr_signal;
drop table kr_wait;
