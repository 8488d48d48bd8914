// The snapshot of an attempt: what its step remembers from one execution to the next. Made by begin.ts, handed to the program by run.ts.
import type { Json } from '../dag/vocabulary.ts';
import type { Snapshot } from '../programs/program.ts';
import type { SnapshotWrite } from '../sql/snapshots.ts';
import { refuse } from './refuse.ts';
import { writeJson } from './result.ts';

export type ReadSnapshot = (flow: string, step: string) => Promise<Json>;

/** With what the program set; it counts only when the attempt ends well. */
export interface AttemptSnapshot extends Snapshot {
  written: () => SnapshotWrite | null;
}

const LIMIT = 1024 * 1024;

export function makeSnapshot(flow: string, step: string, read: ReadSnapshot): AttemptSnapshot {
  let text: string | undefined;
  return {
    get: async () => (text === undefined ? read(flow, step) : (JSON.parse(text) as Json)),
    set(value) {
      const written = writeJson(value, LIMIT);
      if ('problem' in written) throw refuse('ResultError', `the snapshot ${written.problem}`);
      text = written.text;
    },
    written: () => (text === undefined ? null : { flow, step, text }),
  };
}

/** Of an attempt that nobody keeps. */
export const NO_SNAPSHOT: Snapshot = { get: async () => null, set: () => {} };
