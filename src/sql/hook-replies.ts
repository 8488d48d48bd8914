// Answers that flows give to the callers of their hooks. Written by hook.reply through cmd/, read by triggers/.
import type { Json } from '../dag/vocabulary.ts';
import type { Database } from './database.ts';

export interface HookReply {
  status: number;
  headers: Record<string, string>;
  body: Json;
}

/** What a caller who waits wants to know of an execution. */
export interface HookStanding {
  id: string;
  ended: boolean;
  reply: HookReply | null;
}

/** Whether this task's answer is the execution's: the first one is. `by` is the same text for every attempt of the task. */
export async function writeReply(
  db: Database,
  execution: string,
  reply: HookReply,
  by: string,
): Promise<boolean> {
  const { rows } = await db.pool.query<{ ours: boolean }>({
    name: 'umbel_hook_reply_v1',
    text: 'select umbel_hook_reply_v1($1, $2) ours',
    values: [execution, JSON.stringify({ ...reply, by })],
  });
  return rows[0]!.ours;
}

/** In the order of the ids; null for one that is not there. */
export async function readStandings(db: Database, ids: string[]): Promise<(HookStanding | null)[]> {
  const { rows } = await db.pool.query<HookStanding>({
    name: 'readStandings',
    // The limit makes each a look-up by key, whatever the statistics say.
    text: `select k.* from unnest($1::text[]) u(id) cross join lateral (
             select f.task_flow_id id, f.flow_status not in ('open', 'paused', 'compensating') ended, f.reply
             from kr_flow_stat f where f.task_flow_id = u.id limit 1) k`,
    values: [ids],
  });
  const found = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => found.get(id) ?? null);
}
