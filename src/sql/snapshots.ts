// Snapshots: what a step remembers from one execution of its flow to the next. Read for programs that ask, written with the outcome of
// their attempt. Called by watcher/ and advance.ts.
import { sql } from 'kysely';
import type { PoolClient } from 'pg';
import type { Json } from '../dag/vocabulary.ts';
import type { Db } from './database.ts';

export interface SnapshotWrite {
  /** `task_id`. */
  flow: string;
  step: string;
  /** JSON text. */
  text: string;
}

/** null: there is none yet. */
export async function readSnapshot(db: Db, flow: string, step: string): Promise<Json> {
  const { rows } = await sql<{ snapshot: Json }>`
    select snapshot from ms_snapshot where task_id = ${flow} and step = ${step}`.execute(db);
  return rows[0]?.snapshot ?? null;
}

/** In order of key, so that nobody locks anybody out; of several for one step the last counts. */
export async function writeSnapshots(client: PoolClient, writes: readonly SnapshotWrite[]): Promise<void> {
  await client.query({
    name: 'writeSnapshots',
    text: `insert into ms_snapshot (task_id, step, snapshot)
           select distinct on (w.flow, w.step) w.flow, w.step, w.snapshot::jsonb
           from unnest($1::text[], $2::text[], $3::text[]) with ordinality w(flow, step, snapshot, ordinal)
           order by w.flow, w.step, w.ordinal desc
           on conflict (task_id, step) do update set snapshot = excluded.snapshot, updated_ts = now()`,
    values: [writes.map(({ flow }) => flow), writes.map(({ step }) => step), writes.map(({ text }) => text)],
  });
}
