// What this watcher holds: tasks taken and not begun, running ones, and ended ones that are not recorded yet. Plain data and the
// verbs that move a task through it; the loop and begin.ts call them.
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
  /** When its program began, on the clock of performance.now(). */
  began?: number;
}

/** The tasks of one call; closed when none of them is held any more. */
interface Batch {
  no: number;
  open: number;
}

export interface Holdings {
  /** Claimed, their programs not known yet. */
  unprepared: Set<Holding>;
  /** To begin, first in first out from `head` on. */
  queue: Holding[];
  head: number;
  running: Set<Holding>;
  ended: Ended[];
  /** Batches that the database may forget. */
  closed: number[];
}

/** What one call records. */
export interface Collected {
  ended: Ended[];
  closed: number[];
}

export function makeHoldings(): Holdings {
  return { unprepared: new Set(), queue: [], head: 0, running: new Set(), ended: [], closed: [] };
}

/** Tasks held and not begun. */
export function countQueued(held: Holdings): number {
  return held.queue.length - held.head + held.unprepared.size;
}

export function take(held: Holdings, no: number, tasks: Claimed[]): void {
  const batch = { no, open: tasks.length };
  for (const task of tasks) held.unprepared.add({ task, batch });
}

export function enqueue(held: Holdings, holding: Holding, prepared: Prepared): void {
  // Otherwise it was handed back while its program was looked up.
  if (!held.unprepared.delete(holding)) return;
  holding.prepared = prepared;
  held.queue.push(holding);
}

export function dequeue(held: Holdings): Holding | undefined {
  if (held.head < held.queue.length) return held.queue[held.head++];
  held.queue = [];
  held.head = 0;
  return undefined;
}

export function begin(held: Holdings, holding: Holding, stop: Stop, now: number): void {
  holding.stop = stop;
  holding.began = now;
  held.running.add(holding);
}

/** Its program ended: the record goes with the next call. */
export function end(held: Holdings, holding: Holding, record: Ended): void {
  held.ended.push(record);
  letGo(held, holding);
}

/** Lets a task go with nothing to record. */
export function letGo(held: Holdings, holding: Holding): void {
  held.running.delete(holding);
  holding.batch.open -= 1;
  if (holding.batch.open === 0) held.closed.push(holding.batch.no);
}

/** Takes out what the next call records; `restore` puts it back when the call failed. */
export function collect(held: Holdings, most: number): Collected {
  const collected = { ended: held.ended.slice(0, most), closed: held.closed };
  held.ended = held.ended.slice(most);
  held.closed = [];
  return collected;
}

export function restore(held: Holdings, { ended, closed }: Collected): void {
  held.ended = [...ended, ...held.ended];
  held.closed = [...closed, ...held.closed];
}

/** Lets go of everything that has not begun, and returns it. */
export function dropUnbegun(held: Holdings): Holding[] {
  const unbegun = listUnbegun(held);
  held.unprepared = new Set();
  held.queue = [];
  held.head = 0;
  for (const holding of unbegun) letGo(held, holding);
  return unbegun;
}

/** All that has not ended. */
export function listHeld(held: Holdings): Holding[] {
  return [...held.running, ...listUnbegun(held)];
}

/** Lets go of one that has not begun; false when it is none of these. */
export function drop(held: Holdings, holding: Holding): boolean {
  const at = held.queue.indexOf(holding, held.head);
  if (at >= 0) held.queue.splice(at, 1);
  else if (!held.unprepared.delete(holding)) return false;
  letGo(held, holding);
  return true;
}

/** Forgets all that is not running, recorded or not: it belongs to others now. */
export function forget(held: Holdings): void {
  dropUnbegun(held);
  held.ended = [];
  held.closed = [];
}

/** All that the database should know as held by this watcher. */
export function listKnown(held: Holdings): HeldTask[] {
  const tasks = listHeld(held).map(({ task }) => task);
  return [...tasks, ...held.ended.map(({ flow, seq, attempt }) => ({ flow, seq, attempt }))];
}

function listUnbegun(held: Holdings): Holding[] {
  return [...held.queue.slice(held.head), ...held.unprepared];
}
