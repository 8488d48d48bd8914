// The open hooks, and what is known of their calls over all processes. Called by triggers/.
import type { JsonObject } from '../dag/vocabulary.ts';
import type { Database } from './database.ts';

export interface HookRow {
  flow: string;
  tenant: string;
  settings: JsonObject | null;
  /** Another one whenever the flow's row was written. */
  version: string;
}

/** Those of the flows whose hooks are open. */
export async function readHooks(db: Database, flows: string[]): Promise<HookRow[]> {
  const { rows } = await db.pool.query<HookRow>({
    name: 'readHooks',
    text: `select h.task_id flow, f.tenant, f.settings, f.xmin::text "version"
           from ms_hook h join ms_flow f on f.task_id = h.task_id
           where h.task_id = any ($1::text[]) and h.status = 'open'`,
    values: [flows],
  });
  return rows;
}

/** Those that are closed now, or of another version. */
export async function findChangedHooks(
  db: Database,
  hooks: Pick<HookRow, 'flow' | 'version'>[],
): Promise<string[]> {
  const { rows } = await db.pool.query<{ flow: string }>({
    name: 'findChangedHooks',
    text: `select u.flow from unnest($1::text[], $2::text[]) u(flow, version)
           where not exists (
             select from ms_hook h join ms_flow f on f.task_id = h.task_id
             where h.task_id = u.flow and h.status = 'open' and f.xmin::text = u.version)`,
    values: [hooks.map(({ flow }) => flow), hooks.map(({ version }) => version)],
  });
  return rows.map(({ flow }) => flow);
}

/** A signed call, named by a hash of what was signed. */
export interface Seen {
  flow: string;
  seen: string;
  expires: Date;
}

/** Whether each was new; of two alike, at once or apart, one is. In the order of the list. */
export async function rememberSeen(db: Database, calls: Seen[]): Promise<boolean[]> {
  const { rows } = await db.pool.query<Pick<Seen, 'flow' | 'seen'>>({
    name: 'rememberSeen',
    text: `insert into kr_hook_seen (task_id, seen, expires_ts)
           select u.flow, u.seen, u.expires from unnest($1::text[], $2::text[], $3::timestamptz[]) u(flow, seen, expires)
           order by u.flow, u.seen
           on conflict do nothing returning task_id flow, seen`,
    values: [
      calls.map(({ flow }) => flow),
      calls.map(({ seen }) => seen),
      calls.map(({ expires }) => expires),
    ],
  });
  const fresh = new Set(rows.map(({ flow, seen }) => `${seen} ${flow}`));
  return calls.map(({ flow, seen }) => fresh.delete(`${seen} ${flow}`));
}

/** So that a call which came to nothing may come again. */
export async function forgetSeen(db: Database, { flow, seen }: Pick<Seen, 'flow' | 'seen'>): Promise<void> {
  await db.pool.query({
    name: 'forgetSeen',
    text: 'delete from kr_hook_seen where task_id = $1 and seen = $2',
    values: [flow, seen],
  });
}

/** What one process took of a hook in a window of time, since it last said so. */
export interface HookCalls {
  flow: string;
  per: number;
  window: number;
  calls: number;
}

/** What all processes took in the window and in the one before. */
export interface HookTotals {
  flow: string;
  per: number;
  window: number;
  total: number;
  before: number;
}

/** Adds them up; of each hook and period, one window. */
export async function addHookCalls(db: Database, calls: HookCalls[]): Promise<HookTotals[]> {
  const { rows } = await db.pool.query<Record<keyof HookTotals, string>>({
    name: 'addHookCalls',
    text: `with added as (
             insert into kr_hook_rate (task_id, per_ms, window_no, calls)
             select u.* from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) u(flow, per, no, calls) order by u.flow, u.per
             on conflict (task_id, per_ms, window_no) do update set calls = kr_hook_rate.calls + excluded.calls
             returning task_id, per_ms, window_no, calls)
           select a.task_id flow, a.per_ms per, a.window_no "window", a.calls total, coalesce(b.calls, 0) before
           from added a left join kr_hook_rate b on b.task_id = a.task_id and b.per_ms = a.per_ms and b.window_no = a.window_no - 1`,
    values: [
      calls.map(({ flow }) => flow),
      calls.map(({ per }) => per),
      calls.map(({ window }) => window),
      calls.map(({ calls }) => calls),
    ],
  });
  return rows.map(({ flow, per, window, total, before }) => ({
    flow,
    per: Number(per),
    window: Number(window),
    total: Number(total),
    before: Number(before),
  }));
}

/** Deletes what no call can need any more. */
export async function dropOldHookCalls(db: Database): Promise<void> {
  await db.pool.query(`delete from kr_hook_seen where expires_ts < now()`);
  await db.pool.query(
    `delete from kr_hook_rate where (window_no + 3) * per_ms < extract(epoch from now()) * 1000`,
  );
}
