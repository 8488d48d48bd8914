// What must be true of the tables whatever went wrong, read with plain SQL. The fault suite asks after each fault, and while it lasts.
import type { Database } from '../../src/sql/database.ts';

export interface Evidence {
  /** Ids that the register server answered yes to. */
  accepted: Iterable<string>;
  /** One line for each start of a program, in order: the idempotency key and the attempt. */
  starts: string[];
  /** A task may have been suspended because its watchers died so often. */
  mayLose?: boolean;
}

/** Keeps every recorded end of an attempt, so that a second one would be seen. */
export async function keepBooks(db: Database): Promise<void> {
  await db.pool.query(`
    create table book (flow text, seq numeric, attempt int, status int, at timestamptz default clock_timestamp());
    create function book() returns trigger language plpgsql as $$ begin
      insert into book (flow, seq, attempt, status) values (new.task_flow_id, new.task_exec_seq, new.attempt, new.exec_status);
      return null;
    end $$;
    create trigger book after update on kr_task_stat for each row
      when (old.exec_status = 1 and new.exec_status in (2, 3, 9)) execute function book()`);
}

/** Each a sentence of what must never be, and the statement that finds it. */
const ALWAYS: Record<string, string> = {
  'a task is Running and in no batch of the watcher that holds it, so that no rescue would find it': `
    select task_flow_id, task_exec_seq, watcher_id, attempt from kr_task_stat t where exec_status = 1 and not exists (
      select from kr_claim c where c.watcher_id = t.watcher_id and exists (
        select from unnest(c.flows, c.seqs) u(flow, seq) where u.flow = t.task_flow_id and u.seq = t.task_exec_seq))`,
  'a result was recorded twice': `
    select flow, seq from book where status in (3, 9) group by flow, seq having count(*) > 1`,
  'an attempt ended twice': `
    select flow, seq, attempt from book group by flow, seq, attempt having count(*) > 1`,
  'a counter is not what the edges say': `
    select t.task_flow_id, t.task_exec_seq, t.waiting_on, e.waiting_on right_one from kr_task_stat t
    cross join lateral (
      select case when t.need is null then count(*) filter (where s.state = 'open')
                  else greatest(0, t.need - count(*) filter (where s.state = 'met')) end waiting_on
      from (
        select case when p.task_exec_seq is null then 'met'
                    else umbel_edge(d.kind, p.exec_status, p.reason, p.chosen, t.task_exec_seq) end state
        from unnest(t.depends, t.edges) d(seq, kind)
        left join kr_task_stat p on p.task_flow_id = t.task_flow_id and p.task_exec_seq = d.seq) s) e
    where t.waiting_on <> e.waiting_on`,
  'a task moved on though a predecessor is not satisfied': `
    select t.task_flow_id, t.task_exec_seq from kr_task_stat t
    where (t.exec_status in (1, 2, 3) or t.ready) and exists (
      select from unnest(t.depends) d(seq) join kr_task_stat p on p.task_flow_id = t.task_flow_id and p.task_exec_seq = d.seq
      where not umbel_satisfies(p.exec_status, p.reason))`,
  'a task started before a predecessor had finished': `
    select t.task_flow_id, t.task_exec_seq from kr_task_stat t
    cross join lateral unnest(t.depends) d(seq)
    join kr_task_stat p on p.task_flow_id = t.task_flow_id and p.task_exec_seq = d.seq
    where t.exec_status = 3 and t.started_ts < p.finished_ts`,
  'the recorded result is another attempt’s': `
    select task_flow_id, task_exec_seq, attempt, result from kr_task_stat
    where exec_status = 3 and result ? 'attempt' and (result ->> 'attempt')::int <> attempt`,
  'an execution is stored without all its tasks': `
    select k.task_flow_id from kr_flow_stat k where k.version is not null
    and (select count(*) from kr_task_stat t where t.task_flow_id = k.task_flow_id) <> (select count(*) from ms_plan p where p.version = k.version)`,
};

/** Besides those, once everything has come to rest. */
const AT_REST: Record<string, string> = {
  'an execution has not ended': `select task_flow_id, flow_status, active from kr_flow_stat where finished_ts is null or active <> 0`,
  'a task is Running when nothing runs': `select task_flow_id, task_exec_seq, watcher_id from kr_task_stat where exec_status = 1`,
  'a task waits though its execution succeeded': `
    select t.task_flow_id, t.task_exec_seq from kr_task_stat t join kr_flow_stat k using (task_flow_id)
    where k.flow_status = 'success' and not umbel_satisfies(t.exec_status, t.reason)`,
  'a batch of a watcher that is gone is still in the books': `
    select watcher_id, claim_no from kr_claim c where not exists (select from kr_watcher w where w.watcher_id = c.watcher_id)`,
  'a dead watcher is still among the living': `select watcher_id from kr_watcher where lease_until < clock_timestamp() - interval '2 seconds'`,
  'a task was suspended for another reason than its losses': `
    select task_flow_id, task_exec_seq, error from kr_task_stat where exec_status = 2 and error ->> 'name' is distinct from 'LostError'`,
};

const NO_LOSS = {
  'a task was lost for good': `select task_flow_id, task_exec_seq, lost from kr_task_stat where exec_status = 2`,
};

/** What is wrong at this moment, whatever is under way. */
export function findBreaches(db: Database): Promise<string[]> {
  return ask(db, ALWAYS);
}

/** What is wrong after everything has come to rest; `[]` when nothing is. */
export async function findViolations(db: Database, evidence: Evidence): Promise<string[]> {
  const rules = { ...ALWAYS, ...AT_REST, ...(evidence.mayLose ? {} : NO_LOSS) };
  return [
    ...(await ask(db, rules)),
    ...(await findMissing(db, evidence.accepted)),
    ...(await findExcess(db, evidence.starts)),
  ];
}

async function ask(db: Database, rules: Record<string, string>): Promise<string[]> {
  const found: string[] = [];
  for (const [rule, text] of Object.entries(rules)) {
    const { rows } = await db.pool.query(text);
    if (rows.length > 0) found.push(`${rule}: ${rows.length}, such as ${JSON.stringify(rows[0])}`);
  }
  return found;
}

async function findMissing(db: Database, accepted: Iterable<string>): Promise<string[]> {
  const ids = [...accepted];
  const { rows } = await db.pool.query<{ id: string }>(
    'select id from unnest($1::text[]) id where not exists (select from kr_flow_stat where task_flow_id = id)',
    [ids],
  );
  const missing = rows.map(({ id }) => `the register server said yes to ${id}, which is not stored`);
  return ids.length === new Set(ids).size ? missing : [...missing, 'two requests were given the same id'];
}

interface TaskFacts {
  key: string;
  attempt: number;
  status: number;
  depends: string[];
}

/** Holds the starts of programs against the rows. */
async function findExcess(db: Database, starts: string[]): Promise<string[]> {
  const { rows } = await db.pool.query<TaskFacts>(
    `select task_flow_id || ':' || trim_scale(task_exec_seq) key, attempt, exec_status::int status,
            (select coalesce(array_agg(task_flow_id || ':' || trim_scale(d)), '{}') from unnest(depends) d) depends
     from kr_task_stat`,
  );
  const first = new Map<string, number>();
  const seen = new Set<string>();
  const found: string[] = [];
  const most = new Map(rows.map(({ key, attempt }) => [key, attempt]));
  for (const [at, line] of starts.entries()) {
    const [key = '', attempt] = line.split(' ');
    if (seen.has(line)) found.push(`attempt ${attempt} of ${key} started twice`);
    seen.add(line);
    if (!first.has(key)) first.set(key, at);
    if (Number(attempt) > (most.get(key) ?? 0)) found.push(`attempt ${attempt} of ${key} is not in its row`);
  }
  for (const { key, status, depends } of rows) {
    const began = first.get(key);
    if (status === 3 && began === undefined) found.push(`${key} finished and never started`);
    for (const before of depends)
      if (began !== undefined && !(first.get(before)! < began)) found.push(`${key} started before ${before}`);
  }
  return found;
}
