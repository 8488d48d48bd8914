// Limited tasks: taken together with the slots of their keys. The one way in which they come to run. Called by watcher/limiter.ts.
import { type AdvanceRow, type Claimed, toClaimed } from './advance.ts';
import type { Database } from './database.ts';

/** A key that was worked out, and what it allows. */
export interface Limit {
  slot: string;
  limit: number;
  /** Milliseconds, of a rate; null: so many at once. */
  per: number | null;
}

export interface TakeCall {
  watcher: number;
  pool: string;
  /** Tasks to take at most. */
  want: number;
  claim: number;
  /** Every key that this watcher holds or has let go, and how many slots of it it has now. */
  mine: ReadonlyMap<string, number>;
  candidates: { flow: string; seq: string; limits: Limit[] }[];
  /** Whether to look at keys of others too, from which on. */
  looks: boolean;
  after: string;
  /** Tasks to show whose keys are to be worked out. */
  peek: number;
}

/** A task that is ready but for its keys. */
export interface LimitedTask {
  flow: string;
  seq: string;
  taskId: string;
  taskSeq: string;
  version: string | null;
  tenant: string;
}

export interface TakeAnswer {
  claimed: { task: Claimed; limits: Limit[] }[];
  unworked: LimitedTask[];
  /** Pools with tasks for which there is room, and which this call did not take. */
  pools: string[];
  /** The key from which to look on. */
  after: string;
  /** Milliseconds until a rate has room again. */
  due: number | null;
}

interface TakeRow extends AdvanceRow {
  tenant: string;
  limits_of: string;
}

const asText = { getTypeParser: () => (value: string) => value };

export async function takeTasks(db: Database, call: TakeCall): Promise<TakeAnswer> {
  const { watcher, pool, want, claim, mine, candidates, looks, after, peek } = call;
  const { rows } = await db.pool.query<TakeRow>({
    name: 'umbel_take_v1',
    text: 'select * from umbel_take_v1($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12)',
    types: asText,
    values: [
      watcher,
      pool,
      want,
      claim,
      [...mine.keys()],
      [...mine.values()],
      candidates.map((c) => c.flow),
      candidates.map((c) => c.seq),
      candidates.map((c) => JSON.stringify(c.limits)),
      looks,
      after,
      peek,
    ],
  });
  const answer: TakeAnswer = { claimed: [], unworked: [], pools: [], after: '', due: null };
  for (const row of rows) addRow(answer, row);
  return answer;
}

function addRow(answer: TakeAnswer, row: TakeRow): void {
  switch (row.kind as string) {
    case '1':
      answer.claimed.push({ task: toClaimed(row), limits: JSON.parse(row.limits_of) as Limit[] });
      break;
    case '2':
      answer.unworked.push({
        flow: row.task_flow_id,
        seq: row.task_exec_seq,
        taskId: row.task_id,
        taskSeq: row.task_seq,
        version: row.version,
        tenant: row.tenant,
      });
      break;
    case '4':
      answer.pools.push(row.task_id);
      break;
    case '6':
      answer.after = row.task_id;
      break;
    case '7':
      answer.due = Number(row.task_priority);
  }
}

/** What a key may look at, in the order of the tasks: the input of the task as JSON text, and that of its execution. */
export async function readKeyScopes(
  db: Database,
  tasks: { flow: string; seq: string }[],
): Promise<{ input: string | null; executionInput: string | null }[]> {
  const { rows } = await db.pool.query<{ input: string | null; executionInput: string | null }>({
    name: 'readKeyScopes',
    text: `select f.input::text "executionInput", coalesce(t.input, case cardinality(t.depends)
               when 0 then null
               when 1 then (select p.result from kr_task_stat p where p.task_flow_id = u.flow and p.task_exec_seq = t.depends[1])
               else (select jsonb_object_agg(coalesce(q.step, trim_scale(p.task_seq)::text), p.result) from unnest(t.depends) d(seq)
                     join kr_task_stat p on p.task_flow_id = u.flow and p.task_exec_seq = d.seq
                     left join ms_plan q on q.version = p.version and q.task_exec_seq = p.task_exec_seq) end)::text input
           from unnest($1::text[], $2::numeric[]) with ordinality u(flow, seq, ordinal)
           left join lateral (select k.input, k.depends from kr_task_stat k where k.task_flow_id = u.flow and k.task_exec_seq = u.seq limit 1) t on true
           left join lateral (select e.input from kr_flow_stat e where e.task_flow_id = u.flow limit 1) f on true
           order by u.ordinal`,
    values: [tasks.map(({ flow }) => flow), tasks.map(({ seq }) => seq)],
  });
  return rows;
}

/** Which of the versions have limited tasks. */
export async function findLimited(db: Database, versions: string[]): Promise<string[]> {
  const { rows } = await db.pool.query<{ version: string }>({
    name: 'findLimited',
    text: 'select distinct version from ms_plan where version = any ($1) and limited',
    values: [versions],
  });
  return rows.map(({ version }) => version);
}

/** A call of this watcher was lost: only what it knows of is its own. */
export async function resetSlots(db: Database, watcher: number, known: string[]): Promise<void> {
  await db.pool.query(
    `update kr_slot s set
       watchers = array(select w from unnest(s.watchers, s.held) h(w, n) where w <> $1),
       held = array(select n from unnest(s.watchers, s.held) h(w, n) where w <> $1)
     where $1 = any (s.watchers) and s.slot <> all ($2::text[])`,
    [watcher, known],
  );
}

/** Forgets keys that nobody holds or waits for; returns how many. */
export async function dropIdleSlots(db: Database): Promise<number> {
  const { rowCount } = await db.pool.query(
    `delete from kr_slot d where d.slot in (
       select s.slot from kr_slot s
       where umbel_filled(s.watchers, s.held) = 0 and not exists (select from kr_slot_queue q where q.slot = s.slot)
         and not exists (select from unnest(s.buckets) b
                         where (b + 101) * split_part(s.slot, e'\\x1f', 3)::float8 / 100 > extract(epoch from clock_timestamp()) * 1000)
       order by s.slot for update skip locked limit 1000)`,
  );
  return rowCount ?? 0;
}
