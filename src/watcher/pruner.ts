// The background pruner of a process: now and then deletes what ended longer ago than RETENTION. Started by cmd/ beside the watcher.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../log.ts';
import type { Database } from '../sql/database.ts';
import { isUnreachable } from '../sql/failures.ts';
import { pruneExecutions } from '../sql/prune.ts';

export interface PrunerOptions {
  db: Database;
  /** Milliseconds since an execution ended, after which it goes. */
  retention: number;
  /** Milliseconds between two passes at least. */
  every?: number;
  log: Logger;
}

const EVERY = 60_000;
// A pass walks past old executions that must stay; however many they are, it takes a twentieth of the time at most.
const SHARE = 20;
/** Of the time that it deletes, a quarter is work. */
const REST_SHARE = 3;

/** Prunes until it is stopped; the promise of `stop` resolves when nothing is under way any more. */
export function startPruner(options: PrunerOptions): { stop: () => Promise<void> } {
  const stopped = new AbortController();
  const running = prunePasses(options, stopped.signal);
  return {
    async stop() {
      stopped.abort();
      await running;
    },
  };
}

async function prunePasses(options: PrunerOptions, signal: AbortSignal): Promise<void> {
  const { every = EVERY } = options;
  let pause = every;
  while (!signal.aborted) {
    // Jittered, so that watchers started together do not prune together.
    await sleep(pause * (0.5 + Math.random() * 0.5), undefined, { signal }).catch(() => undefined);
    const began = performance.now();
    await prune(options, signal);
    pause = Math.max(every, (performance.now() - began) * SHARE);
  }
}

async function prune({ db, retention, log }: PrunerOptions, signal: AbortSignal): Promise<void> {
  try {
    const options = { olderThan: retention, flow: null, restShare: REST_SHARE, signal };
    const pruned = await pruneExecutions(db, options);
    if (pruned.executions > 0) log.info({ ...pruned }, 'pruned executions');
  } catch (error) {
    if (isUnreachable(error)) log.debug({ err: error }, 'pruning put off: the database is away');
    else log.error({ err: error }, 'pruning failed; trying again');
  }
}
