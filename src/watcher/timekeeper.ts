// Fires timers that are due. Every watcher does it for all; one that put a task to sleep knows the time, the others look now and then.
import type { Logger } from '../log.ts';
import type { Database } from '../sql/database.ts';
import { isUnreachable } from '../sql/failures.ts';
import { fireTimers } from '../sql/timers.ts';
import type { StartExecution } from './children.ts';
import { startOwed } from './owed.ts';

export interface Timekeeper {
  start(): void;
  /** A timer will be due in so many milliseconds. */
  expect(delay: number): void;
  stop(): void;
}

export interface TimekeeperDeps {
  db: Database;
  /** Milliseconds between looks at what others put to sleep. */
  pollInterval: number;
  onReady: (pool: string, priority: number) => void;
  startExecution: StartExecution | undefined;
  log: Logger;
}

const MOST = 1_000;
/** Never later than this after the time, and not so soon that the clock of the database has not reached it. */
const AFTER = 2;

export function makeTimekeeper({
  db,
  pollInterval,
  onReady,
  startExecution,
  log,
}: TimekeeperDeps): Timekeeper {
  let timer: NodeJS.Timeout | undefined;
  let due = Infinity;
  let stopped = false;

  const set = (delay: number) => {
    const at = performance.now() + delay + AFTER;
    if (stopped || at >= due) return;
    clearTimeout(timer);
    due = at;
    timer = setTimeout(() => void look(), delay + AFTER);
  };
  const look = async () => {
    due = Infinity;
    try {
      await startOwed({ db, startExecution, log });
      const { ready, next } = await fireTimers(db, MOST);
      for (const { pool, priority } of ready) onReady(pool, priority);
      if (next !== undefined) set(next);
    } catch (error) {
      if (!isUnreachable(error)) log.error({ err: error }, 'timers could not be fired; trying again');
    }
    set(pollInterval * (0.75 + Math.random() * 0.5));
  };

  return {
    start: () => set(0),
    expect: set,
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
