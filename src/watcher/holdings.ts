// What this watcher holds: tasks taken and not begun, running ones, and ended ones that are not recorded yet. Plain bookkeeping.
import type { Claimed, Ended } from '../sql/advance.ts';
import type { HeldTask } from '../sql/leases.ts';
import type { Prepared } from './prepare.ts';
import type { Stop } from './stop.ts';

/** A task that this watcher holds, from claim to record. */
export interface Holding {
  task: Claimed;
  batch: Batch;
  /** Absent until its program is known. */
  prepared?: Prepared;
  stop?: Stop;
  /** When its program began, on the clock of performance.now(); absent: not begun. */
  began?: number;
}

/** The tasks of one call; closed when none of them is held any more. */
interface Batch {
  no: number;
  open: number;
}

export interface Holdings {
  /** Takes in what a call claimed. */
  take(no: number, tasks: Claimed[]): void;
  /** Claimed, and their programs not known yet. */
  unprepared(): Holding[];
  enqueue(holding: Holding, prepared: Prepared): void;
  /** The next task to begin. */
  dequeue(): Holding | undefined;
  begin(holding: Holding, stop: Stop, now: number): void;
  /** Its program ended; to be recorded by the next call. */
  end(holding: Holding, ended: Ended): void;
  /** Lets a task go without recording anything. */
  drop(holding: Holding): void;
  /** Everything to be recorded and closed; `restore` puts it back when the call failed. */
  collect(most: number): Collected;
  restore(collected: Collected): void;
  /** Takes out all that has not begun. */
  drain(): Holding[];
  running(): Holding[];
  /** Lets go of all that is not running, recorded or not: it belongs to others now. */
  forget(): void;
  /** Held by the books of the database: queued, running, or ended and not recorded. */
  known(): HeldTask[];
  /** Held and not begun. */
  readonly queuedCount: number;
  readonly runningCount: number;
  /** Ended and not recorded. */
  readonly endedCount: number;
}

export interface Collected {
  ended: Ended[];
  closed: number[];
}

export function makeHoldings(): Holdings {
  let queue: Holding[] = [];
  let head = 0;
  let unprepared = new Set<Holding>();
  const running = new Set<Holding>();
  let ended: Ended[] = [];
  let closed: number[] = [];

  const release = ({ batch }: Holding) => {
    batch.open -= 1;
    if (batch.open === 0) closed.push(batch.no);
  };

  return {
    take(no, tasks) {
      const batch = { no, open: tasks.length };
      for (const task of tasks) unprepared.add({ task, batch });
    },
    unprepared: () => [...unprepared],
    enqueue(holding, prepared) {
      // Handed back while its program was looked up.
      if (!unprepared.delete(holding)) return;
      holding.prepared = prepared;
      queue.push(holding);
    },
    dequeue() {
      if (head === queue.length) {
        queue = [];
        head = 0;
        return undefined;
      }
      return queue[head++];
    },
    begin(holding, stop, now) {
      holding.stop = stop;
      holding.began = now;
      running.add(holding);
    },
    end(holding, record) {
      running.delete(holding);
      ended.push(record);
      release(holding);
    },
    drop(holding) {
      unprepared.delete(holding);
      running.delete(holding);
      release(holding);
    },
    collect(most) {
      const collected = { ended: ended.slice(0, most), closed };
      ended = ended.slice(most);
      closed = [];
      return collected;
    },
    restore(collected) {
      ended = [...collected.ended, ...ended];
      closed = [...collected.closed, ...closed];
    },
    drain() {
      const rest = [...queue.slice(head), ...unprepared];
      queue = [];
      head = 0;
      unprepared = new Set();
      return rest;
    },
    running: () => [...running],
    forget() {
      queue = [];
      head = 0;
      unprepared = new Set();
      ended = [];
      closed = [];
    },
    known: () => [
      ...[...queue.slice(head), ...unprepared, ...running].map(({ task }) => task),
      ...ended.map(({ flow, seq, attempt }) => ({ flow, seq, attempt })),
    ],
    get queuedCount() {
      return queue.length - head + unprepared.size;
    },
    get runningCount() {
      return running.size;
    },
    get endedCount() {
      return ended.length;
    },
  };
}
