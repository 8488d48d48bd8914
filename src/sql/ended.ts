// An ended attempt as it is recorded, and the arrays that umbel_advance_v1 takes of many. Called by advance.ts.
import type { Wait } from '../dag/outcome.ts';
import { ExecStatus } from '../dag/vocabulary.ts';
import type { SnapshotWrite } from './snapshots.ts';

/** An ended attempt, as it is recorded. */
export interface Ended {
  flow: string;
  seq: string;
  attempt: number;
  status: EndedStatus;
  /** Why it did not finish: `failed`, `allowed_failure`, `retry`, `sleep`, or what it waits for outside; null when it did. */
  reason: string | null;
  /** Milliseconds since the program began. */
  age: number;
  /** JSON text, or null. */
  result: string | null;
  /** JSON text of a TaskError, or null. */
  error: string | null;
  /** Milliseconds until it becomes ready again, or until it waits no longer for the outside; null: neither. */
  delay: number | null;
  /** JSON text kept for the next attempt, or null. */
  checkpoint: string | null;
  /** What its step remembers from now on; absent: what it did. */
  snapshot?: SnapshotWrite | undefined;
  /** What it waits for outside; null unless it does. */
  wait: Wait | null;
  /** Exec seqs of the dependants that go on; null: as their edges say. */
  chosen: string[] | null;
  /** Whose ends are more than an arrival at its dependants: 1 a failure, 2 any. */
  wireOn: number;
}

/**
 * finished: Finish. failed: Suspend. ignored: Ignore, its dependants go on. waiting: Wait, until `delay` is over.
 * outside: Suspend, until what it waits for has come.
 */
export type EndedStatus = 'finished' | 'failed' | 'ignored' | 'waiting' | 'outside';

const EXEC_STATUS: Record<EndedStatus, ExecStatus> = {
  finished: ExecStatus.finish,
  failed: ExecStatus.suspend,
  ignored: ExecStatus.ignore,
  waiting: ExecStatus.wait,
  outside: ExecStatus.suspend,
};

/** One array a column: what `unnest` takes. */
export function columns(ended: Ended[]): unknown[] {
  return [
    ended.map((e) => e.flow),
    ended.map((e) => e.seq),
    ended.map((e) => e.attempt),
    ended.map((e) => EXEC_STATUS[e.status]),
    ended.map((e) => e.reason),
    ended.map((e) => e.age),
    ended.map((e) => e.delay),
    ended.map((e) => e.result),
    ended.map((e) => e.error),
    ended.map((e) => e.checkpoint),
    ended.some((e) => e.wait !== null) ? ended.map((e) => e.wait && JSON.stringify(e.wait)) : null,
    ended.some((e) => e.chosen !== null) ? ended.map((e) => e.chosen && `{${e.chosen.join()}}`) : null,
    ended.some(isWiring) ? ended.map(isWiring) : null,
  ];
}

/** Whether this end wires its whole execution; umbel_advance_v1 asks the row itself, this only lets it lock in order. */
function isWiring({ status, reason, chosen, wireOn }: Ended): boolean {
  if (status === 'waiting') return false;
  return wireOn === 2 || (wireOn === 1 && status === 'failed') || reason === 'skipped' || chosen !== null;
}
