// The watcher's place among the others: joins, keeps its lease, and takes back the tasks of those that died. Runs beside the loop.
import { isUnreachable } from '../sql/failures.ts';
import type { Database } from '../sql/database.ts';
import { heartbeat, joinWatchers, leaveWatchers, rescueTasks, type WatcherRecord } from '../sql/leases.ts';
import type { Logger } from '../log.ts';
import { admitExecutions, flowsWithWaitingExecutions } from '../sql/admit.ts';

export interface Membership {
  /** This watcher's id; another one after it was declared dead and joined again. */
  readonly id: number;
  /** Live watchers of the same pool besides this one, as of the last heartbeat. */
  readonly others: number;
  join(): Promise<void>;
  /** Joins anew after it was declared dead; what it held is disowned. */
  rejoin(): Promise<void>;
  /** Signs off and stops the timers. */
  leave(): Promise<void>;
}

export interface MembershipOptions {
  db: Database;
  record: WatcherRecord;
  /** Losses after which a task is suspended. */
  lostLimit: number;
  log: Logger;
  /** The lease ran out: what this watcher held is no longer its own. */
  onGone: () => void;
  /** Tasks wait again, or executions were let in. */
  onReady: () => void;
}

export function makeMembership(options: MembershipOptions): Membership {
  const { db, record, log } = options;
  let id = 0;
  let others = 0;
  let timers: NodeJS.Timeout[] = [];

  const beat = async () => {
    const answer = await heartbeat(db, id, record.lease);
    others = answer.others;
    if (!answer.alive && timers.length > 0) await rejoin();
  };
  const look = async () => {
    const rescued = await rescueTasks(db, options.lostLimit);
    for (const task of rescued)
      log.warn(
        { ...task },
        task.suspended ? 'task suspended: lost too often' : 'task taken back from a dead watcher',
      );
    const waiting = await flowsWithWaitingExecutions(db);
    const admitted = waiting.length > 0 ? await admitExecutions(db, waiting) : 0;
    if (rescued.length + admitted > 0) options.onReady();
  };

  const rejoin = async () => {
    options.onGone();
    id = await joinWatchers(db, record);
    log.warn({ watcher: id }, 'the lease had run out: joined again as another watcher');
  };

  return {
    rejoin,
    get id() {
      return id;
    },
    get others() {
      return others;
    },
    async join() {
      id = await joinWatchers(db, record);
      if (timers.length > 0) return;
      timers = [
        every(record.lease / 3, beat, log),
        every((record.lease / 2) * (0.8 + Math.random() * 0.2), look, log),
      ];
      await look();
    },
    async leave() {
      for (const timer of timers) clearInterval(timer);
      timers = [];
      await leaveWatchers(db, id);
    },
  };
}

/** Runs `work` every `ms`, never twice at once; a database that is away for a while is no news. */
function every(ms: number, work: () => Promise<void>, log: Logger): NodeJS.Timeout {
  let busy = false;
  return setInterval(() => {
    if (busy) return;
    busy = true;
    void work()
      .catch((error: unknown) =>
        isUnreachable(error)
          ? log.debug({ err: error }, 'database away')
          : log.error({ err: error }, 'watcher upkeep failed'),
      )
      .finally(() => {
        busy = false;
      });
  }, ms);
}
