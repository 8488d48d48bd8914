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
  /** When the call answered, on the clock of performance.now(). */
  at: number;
}

export interface Holdings {
  /** Claimed, their programs not known yet. */
  unprepared: Set<Holding>;
  /** To begin, from `head` on: the most urgent first, of equals the first that came. */
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

export function take(held: Holdings, no: number, tasks: Claimed[], at: number): void {
  const batch = { no, open: tasks.length, at };
  for (const task of tasks) held.unprepared.add({ task, batch });
}

export function enqueue(held: Holdings, holding: Holding, prepared: Prepared): void {
  // Otherwise it was handed back while its program was looked up.
  if (!held.unprepared.delete(holding)) return;
  holding.prepared = prepared;
  const { priority } = holding.task;
  // Claims come in order of priority: only what is more urgent than the last has to be sorted in.
  let at = held.queue.length;
  while (at > held.head && held.queue[at - 1]!.task.priority > priority) at -= 1;
  if (at === held.queue.length) held.queue.push(holding);
  else held.queue.splice(at, 0, holding);
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

/** Takes out everything that has not begun; the caller hands it back and then lets it go. */
export function takeUnbegun(held: Holdings): Holding[] {
  const unbegun = listUnbegun(held);
  held.unprepared = new Set();
  held.queue = [];
  held.head = 0;
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

/** Whether something that was to begin soon has waited since before `time`: what runs takes longer than expected. */
export function isOverdue(held: Holdings, time: number): boolean {
  const next = held.queue[held.head];
  return next !== undefined && next.batch.at < time;
}

/** Forgets all that is not running, recorded or not: it belongs to others now. */
export function forget(held: Holdings): void {
  for (const holding of takeUnbegun(held)) letGo(held, holding);
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
