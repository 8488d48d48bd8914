-- Up Migration
-- Who holds what, and what becomes of it when they go away.

-- Hands tasks of a watcher back to Wait, but for those that somebody keeps locked. Of those that never began the attempt does not count.
create function umbel_return_v1(watcher int, flows text[], seqs numeric[], attempts int[], begun boolean) returns int language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
declare
  returned int;
  undone text[];
begin
  select array_agg(u.flow), array_agg(u.seq), array_agg(u.attempt) into flows, seqs, attempts
    from (select * from unnest(flows, seqs, attempts) u(flow, seq, attempt) order by u.flow collate "C", u.seq) u
    cross join lateral (select 1 from kr_task_stat t where t.task_flow_id = u.flow and t.task_exec_seq = u.seq for update skip locked) k;
  with back as (
    update kr_task_stat t set
      exec_status = 0, ready = t.waiting_on = 0 and t.live > 0 and not t.hold, watcher_id = null, started_ts = null, revision = t.revision + 1,
      attempt = case when begun then t.attempt else t.attempt - 1 end
    from unnest(flows, seqs, attempts) u(flow, seq, attempt)
    where t.task_flow_id = u.flow and t.task_exec_seq = u.seq
      and t.exec_status = 1 and t.watcher_id = watcher and t.attempt = u.attempt
    returning t.task_flow_id, t.waiting_on > 0 or t.live = 0 undone
  )
  select count(*), array_agg(distinct b.task_flow_id order by b.task_flow_id) filter (where b.undone) into returned, undone from back b;
  perform umbel_wire_undone(undone);
  return returned;
end $$;

-- A task whose predecessors a hand undid, or skipped, while it ran does not become ready again by going back to Wait.
create function umbel_wire_undone(flows text[]) returns void language plpgsql as $$
declare
  flow text;
begin
  foreach flow in array coalesce(flows, '{}') loop
    perform umbel_wire(flow);
  end loop;
end $$;

-- Returns what a watcher holds by the books but does not know of: the answer to its call was lost on the way. What it has claimed since
-- it asked (batches after `upto`) it does know: this call itself may come late.
create function umbel_return_strays_v1(watcher int, flows text[], seqs numeric[], upto bigint) returns int language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
declare
  stray_flows text[]; stray_seqs numeric[]; stray_attempts int[];
  returned int := 0;
begin
  select array_agg(t.task_flow_id), array_agg(t.task_exec_seq), array_agg(t.attempt)
    into stray_flows, stray_seqs, stray_attempts
    from kr_claim c
    cross join lateral unnest(c.flows, c.seqs) held(flow, seq)
    join kr_task_stat t on t.task_flow_id = held.flow and t.task_exec_seq = held.seq and t.exec_status = 1 and t.watcher_id = watcher
    where c.watcher_id = watcher and c.claim_no <= upto
      and not exists (select from kr_claim n cross join lateral unnest(n.flows, n.seqs) later(flow, seq)
                      where n.watcher_id = watcher and n.claim_no > upto and later.flow = held.flow and later.seq = held.seq)
      and not exists (select from unnest(umbel_return_strays_v1.flows, umbel_return_strays_v1.seqs) known(flow, seq)
                      where known.flow = held.flow and known.seq = held.seq);
  if stray_flows is not null then
    returned := umbel_return_v1(watcher, stray_flows, stray_seqs, stray_attempts, false);
  end if;
  -- Nobody will close a batch that nobody knows of.
  delete from kr_claim c where c.watcher_id = watcher and c.claim_no <= upto and not exists (
    select from unnest(c.flows, c.seqs) held(flow, seq)
    join kr_task_stat t on t.task_flow_id = held.flow and t.task_exec_seq = held.seq and t.exec_status = 1 and t.watcher_id = watcher);
  return returned;
end $$;

-- Takes back the tasks of watchers whose lease ran out, and of those that left without handing back. Reads only what they had claimed.
create function umbel_rescue_v1(lost_limit int) returns table (watcher_id int, task_flow_id varchar, task_exec_seq numeric, exec_status numeric) language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
#variable_conflict use_column
declare
  dead int;
  held_flows text[]; held_seqs numeric[];
  free_flows text[]; free_seqs numeric[];
  lost_flows text[]; lost_seqs numeric[]; lost_statuses numeric[];
  undone text[];
begin
  for dead in select w.watcher_id from kr_watcher w where w.lease_until < clock_timestamp() for update skip locked loop
    delete from kr_watcher w where w.watcher_id = dead;
  end loop;
  for dead in
    select distinct c.watcher_id from kr_claim c where not exists (select from kr_watcher w where w.watcher_id = c.watcher_id) order by 1
  loop
    -- Deleted before they are read: a last call that the dead watcher had under way may still add one, and that is for the next rescue.
    with taken as (
      delete from kr_claim c where c.watcher_id = dead returning c.flows, c.seqs
    )
    select array_agg(h.flow order by h.flow, h.seq), array_agg(h.seq order by h.flow, h.seq) into held_flows, held_seqs
      from (select distinct u.flow, u.seq from taken c cross join lateral unnest(c.flows, c.seqs) u(flow, seq)) h;
    select array_agg(h.flow), array_agg(h.seq) into free_flows, free_seqs from unnest(held_flows, held_seqs) h(flow, seq)
      cross join lateral (select 1 from kr_task_stat t where t.task_flow_id = h.flow and t.task_exec_seq = h.seq for update skip locked) k;
    -- What somebody keeps locked stays in the books for the next rescue, and holds up no other.
    insert into kr_claim (watcher_id, claim_no, part, flows, seqs)
      select dead, 0, 0, array_agg(h.flow), array_agg(h.seq) from unnest(held_flows, held_seqs) h(flow, seq)
      where not exists (select from unnest(free_flows, free_seqs) f(flow, seq) where f.flow = h.flow and f.seq = h.seq)
        and exists (select from kr_task_stat t where t.task_flow_id = h.flow and t.task_exec_seq = h.seq and t.exec_status = 1 and t.watcher_id = dead)
      having count(*) > 0;
    with lost as (
      update kr_task_stat t set
        exec_status = case when t.lost + 1 < lost_limit then 0 else 2 end,
        ready = t.lost + 1 < lost_limit and t.waiting_on = 0 and t.live > 0 and not t.hold,
        reason = case when t.lost + 1 < lost_limit then null else 'failed' end,
        suspended_ts = case when t.lost + 1 < lost_limit then null else clock_timestamp() end,
        error = case when t.lost + 1 < lost_limit then null else jsonb_build_object('name', 'LostError',
          'message', format('its watcher died %s times while it ran', t.lost + 1)) end,
        watcher_id = null, lost = t.lost + 1, revision = t.revision + 1
      from unnest(free_flows, free_seqs) h(flow, seq)
      where t.task_flow_id = h.flow and t.task_exec_seq = h.seq and t.exec_status = 1 and t.watcher_id = dead
      returning t.task_flow_id, t.task_exec_seq, t.exec_status, t.exec_status = 2 or t.waiting_on > 0 or t.live = 0 undone
    )
    select array_agg(l.task_flow_id), array_agg(l.task_exec_seq), array_agg(l.exec_status),
           array_agg(distinct l.task_flow_id order by l.task_flow_id) filter (where l.undone)
      into lost_flows, lost_seqs, lost_statuses, undone from lost l;
    perform umbel_wire_undone(undone);
    return query select dead, l.flow::varchar, l.seq, l.status from unnest(lost_flows, lost_seqs, lost_statuses) l(flow, seq, status);
  end loop;
end $$;

-- Down Migration
drop function umbel_rescue_v1(int);
drop function umbel_return_strays_v1(int, text[], numeric[], bigint);
drop function umbel_return_v1(int, text[], numeric[], int[], boolean);
drop function umbel_wire_undone(text[]);
