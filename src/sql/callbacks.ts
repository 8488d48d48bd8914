// Tokens with which somebody else answers for a task, and the answers. Called by watcher/callbacks.ts and registrar/callbacks.ts.
import { sql } from 'kysely';
import type { TaskError } from '../dag/outcome.ts';
import type { Json } from '../dag/vocabulary.ts';
import type { Database, Db } from './database.ts';

export interface TokenWanted {
  flow: string;
  seq: string;
  attempt: number;
  /** Taken unless the task has one already. */
  token: string;
}

/** The tokens, in order; null for a task that was taken away meanwhile. */
export async function issueTokens(db: Database, wanted: TokenWanted[]): Promise<(string | null)[]> {
  const { rows } = await db.pool.query<{ flow: string; seq: string; token: string }>({
    name: 'issueTokens',
    text: `insert into kr_wait as w (task_flow_id, task_exec_seq, kind, token)
           select u.flow, u.seq, 'callback', u.token from unnest($1::text[], $2::numeric[], $3::int[], $4::text[]) u(flow, seq, attempt, token)
           where exists (select from kr_task_stat t where t.task_flow_id = u.flow and t.task_exec_seq = u.seq and t.exec_status = 1 and t.attempt = u.attempt)
           on conflict (task_flow_id, task_exec_seq, kind) do update set token = w.token
           returning task_flow_id flow, trim_scale(task_exec_seq)::text seq, token`,
    values: [
      wanted.map(({ flow }) => flow),
      wanted.map(({ seq }) => seq),
      wanted.map(({ attempt }) => attempt),
      wanted.map(({ token }) => token),
    ],
  });
  return wanted.map(
    ({ flow, seq }) => rows.find((row) => row.flow === flow && row.seq === seq)?.token ?? null,
  );
}

/** delivered: the task goes on. kept: its program has not ended yet. used, ended: no answer is taken any more. */
export type Answered = 'delivered' | 'kept' | 'used' | 'ended' | 'unknown';

export async function callBack(
  db: Db,
  token: string,
  answer: { value: Json } | { error: TaskError },
): Promise<Answered> {
  const { rows } = await sql<{ answered: Answered }>`
    select umbel_call_back_v1(${token}, ${JSON.stringify(answer)}::jsonb) answered`.execute(db);
  return rows[0]!.answered;
}

/** A sign of life; false when nobody knows the token. */
export async function beat(db: Db, token: string): Promise<boolean> {
  const { rows } = await sql<{ known: boolean }>`select umbel_beat_v1(${token}) known`.execute(db);
  return rows[0]!.known;
}
