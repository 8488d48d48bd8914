// Checkpoints of running programs. Called by watcher/heartbeats.ts.
import type { Database } from './database.ts';

export interface Checkpoint {
  flow: string;
  seq: string;
  attempt: number;
  /** JSON text. */
  checkpoint: string;
}

/** Positions of those that were kept: the others are not this watcher's any more, or somebody has locked their rows. */
export async function saveCheckpoints(
  db: Database,
  watcher: number,
  checkpoints: Checkpoint[],
): Promise<Set<number>> {
  const { rows } = await db.pool.query<{ at: number }>({
    name: 'umbel_checkpoint_v1',
    text: 'select at from umbel_checkpoint_v1($1, $2, $3, $4, $5) at',
    values: [
      watcher,
      checkpoints.map(({ flow }) => flow),
      checkpoints.map(({ seq }) => seq),
      checkpoints.map(({ attempt }) => attempt),
      checkpoints.map(({ checkpoint }) => checkpoint),
    ],
  });
  return new Set(rows.map(({ at }) => at));
}
