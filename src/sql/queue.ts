// How much there is to do, for metrics. Reads the claim index and the books of the watchers, never history.
import type { Database } from './database.ts';

export interface QueueDepth {
  pool: string;
  priority: number;
  /** `ready` to be claimed, claimed `ahead` of a free slot, or `running`. */
  state: 'ready' | 'ahead' | 'running';
  /** Tasks; of ready ones 50,000 stands for that many or more. */
  depth: number;
}

export async function readQueue(db: Database): Promise<QueueDepth[]> {
  const { rows } = await db.pool.query<Omit<QueueDepth, 'depth'> & { depth: string }>({
    name: 'umbel_queue_v1',
    text: 'select pool, priority, state, depth from umbel_queue_v1()',
  });
  return rows.map((row) => ({ ...row, depth: Number(row.depth) }));
}

/** Executions that wait for a place of their flow. */
export async function countWaitingForPlace(db: Database): Promise<number> {
  const { rows } = await db.pool.query<{ waiting: number }>({
    name: 'countWaitingForPlace',
    text: 'select count(*)::int waiting from kr_flow_stat where place in (0, 1) and place = 0',
  });
  return rows[0]!.waiting;
}
