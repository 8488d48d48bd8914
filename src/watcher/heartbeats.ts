// Signs of life of running programs, and the checkpoints that come with them: kept in the database about every second while they change.
// Called by begin.ts, for programs that give any; the others cost nothing.
import { ProgramError } from '../programs/program-error.ts';
import { saveCheckpoints } from '../sql/checkpoints.ts';
import type { Database } from '../sql/database.ts';
import type { Logger } from '../log.ts';
import type { Holding } from './holdings.ts';
import type { Membership } from './membership.ts';
import { heartbeatOf } from './verdict.ts';

export interface Heartbeats {
  /** The program of the task is at work; `checkpoint` is JSON text. */
  beat(holding: Holding, checkpoint: string | undefined): void;
  /** Writes what is not written yet. */
  flush(): Promise<void>;
}

export interface HeartbeatDeps {
  db: Database;
  membership: Pick<Membership, 'id'>;
  log: Pick<Logger, 'debug'>;
}

/** Milliseconds between two writes. */
const EVERY = 1_000;

export function makeHeartbeats({ db, membership, log }: HeartbeatDeps): Heartbeats {
  const unsaved = new Set<Holding>();
  let timer: NodeJS.Timeout | undefined;
  let saved = -Infinity;

  const save = async () => {
    clearTimeout(timer);
    timer = undefined;
    saved = performance.now();
    const taken = [...unsaved];
    if (taken.length === 0) return;
    unsaved.clear();
    const kept = await saveCheckpoints(
      db,
      membership.id,
      taken.map(({ task, checkpoint }) => ({ ...task, checkpoint: checkpoint! })),
    ).catch((error: unknown) => {
      log.debug({ err: error }, 'checkpoints were not written; trying again');
      return new Set<number>();
    });
    // What is left is tried again as long as the program gives signs of life: with the next.
    for (const [at, holding] of taken.entries()) if (!kept.has(at)) holding.unsaved = true;
  };

  return {
    beat(holding, checkpoint) {
      holding.silence?.refresh();
      if (checkpoint === undefined && !holding.unsaved) return;
      if (checkpoint !== undefined) holding.checkpoint = checkpoint;
      holding.unsaved = false;
      unsaved.add(holding);
      timer ??= setTimeout(() => void save(), Math.max(0, saved + EVERY - performance.now()));
    },
    flush: save,
  };
}

/** Stops a program that gives no sign of life for as long as its step allows. */
export function watchSilence(holding: Holding): void {
  const limit = heartbeatOf(holding.prepared?.options ?? null);
  if (limit === undefined) return;
  holding.silence = setTimeout(() => holding.stop!.stop(silent(holding, limit)), Math.min(limit, LONGEST));
}

const LONGEST = 2 ** 31 - 1;

function silent({ prepared }: Holding, limit: number): Error {
  const error = new ProgramError(`${prepared!.program} gave no sign of life for ${limit} ms`, {
    name: 'TimeoutError',
  });
  delete error.stack;
  return error;
}
