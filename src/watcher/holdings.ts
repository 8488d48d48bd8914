// What this watcher holds: tasks taken and not begun, running ones, and ended ones that are not recorded yet. Plain data and the
// verbs that move a task through it; the loop and begin.ts call them.
import type { Claimed } from '../sql/advance.ts';
import type { Ended } from '../sql/ended.ts';
import type { HeldTask } from '../sql/leases.ts';
import type { Prepared } from './prepare.ts';
import type { AttemptSnapshot } from './snapshot.ts';
import type { Stop } from './stop.ts';

/** A task that this watcher holds, from claim to record. */
export interface Holding {
  /** What its step remembers; once it has begun. */
  snapshot?: AttemptSnapshot;
  task: Claimed;
  batch: Batch;
  /** Absent until its program is known. */
  prepared?: Prepared;
  stop?: Stop;
  /** JSON text of the checkpoint that its program left while it ran. */
  checkpoint?: string;
  /** It could not be written when it came. */
  unsaved?: boolean;
  /** Goes off when its program gives no sign of life. */
  silence?: NodeJS.Timeout | undefined;
  /** When its program began, on the clock of performance.now(). */
  began?: number;
}

/** The tasks of one call; closed when the last of them is recorded: until then a rescue has to find them. */
interface Batch {
  no: number;
  /** Tasks that are neither recorded nor handed back. */
  open: number;
  /** When the call answered, on the clock of performance.now(). */
  at: number;
}

/** An attempt that ended and is not recorded yet. */
export interface Unrecorded {
  record: Ended;
  batch: Batch;
}

export interface Holdings {
  /** Claimed, their programs not known yet. */
  unprepared: Set<Holding>;
  /** To begin, from `head` on: the most urgent first, of equals the first that came. */
  queue: Holding[];
  head: number;
  running: Set<Holding>;
  /** Stopped so that they go back to Wait; not yet handed back. */
  returning: Set<Holding>;
  ended: Unrecorded[];
  /** Ended, while another transaction keeps their rows locked. */
  aside: Set<Unrecorded>;
  /** Batches that the database may forget. */
  closed: number[];
  /** The keys of which limited tasks have a slot each, by task: until their end is recorded, or they are handed back. */
  slots: Map<string, string[]>;
  /** Keys of which slots were let go, and the database does not know yet. */
  released: Set<string>;
}

/** What one call records. */
export interface Collected {
  unrecorded: Unrecorded[];
  /** Batches that were closed before. */
  before: number[];
}

export function makeHoldings(): Holdings {
  return {
    unprepared: new Set(),
    queue: [],
    head: 0,
    running: new Set(),
    returning: new Set(),
    ended: [],
    aside: new Set(),
    closed: [],
    slots: new Map(),
    released: new Set(),
  };
}

const keyOf = ({ flow, seq, attempt }: HeldTask) => `${seq}/${attempt}/${flow}`;

/** A limited task came with these slots. */
export function holdSlots(held: Holdings, task: HeldTask, slots: string[]): void {
  held.slots.set(keyOf(task), slots);
}

function freeSlots(held: Holdings, task: HeldTask): void {
  if (held.slots.size === 0) return;
  for (const slot of held.slots.get(keyOf(task)) ?? []) held.released.add(slot);
  held.slots.delete(keyOf(task));
}

/** How many slots of each key are held, 0 for those that were let go. */
export function countSlots(held: Holdings): Map<string, number> {
  const counts = new Map([...held.released].map((slot) => [slot, 0]));
  for (const slots of held.slots.values())
    for (const slot of slots) counts.set(slot, (counts.get(slot) ?? 0) + 1);
  return counts;
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
  held.running.delete(holding);
  held.ended.push({ record, batch: holding.batch });
}

/** Its program was stopped: the task is to be handed back. */
export function giveUp(held: Holdings, holding: Holding): void {
  held.running.delete(holding);
  held.returning.add(holding);
}

/** Its program was stopped: the task belongs to others now, and the books of it are for a rescue to close. */
export function disown(held: Holdings, holding: Holding): void {
  held.running.delete(holding);
  freeSlots(held, holding.task);
}

/** Lets a task go that the database does not take for this watcher's any more. */
export function letGo(held: Holdings, holding: Holding): void {
  held.running.delete(holding);
  held.returning.delete(holding);
  freeSlots(held, holding.task);
  holding.batch.open -= 1;
  if (holding.batch.open === 0) held.closed.push(holding.batch.no);
}

/** Takes out what the next call records; `confirm` ends it when the call was answered, `restore` puts it back when it failed. */
export function collect(held: Holdings, most: number): Collected {
  const collected = { unrecorded: held.ended.slice(0, most), before: held.closed };
  held.ended = held.ended.slice(most);
  held.closed = [];
  return collected;
}

/** Batches that the call may close: those closed before, and those of which nothing is left but what this very call records. */
export function listClosed({ unrecorded, before }: Collected): number[] {
  const counts = new Map<Batch, number>();
  for (const { batch } of unrecorded) counts.set(batch, (counts.get(batch) ?? 0) + 1);
  const closed = [...before];
  for (const [batch, count] of counts) if (batch.open === count) closed.push(batch.no);
  return closed;
}

/** What was collected is recorded; a batch that two calls ended between them is closed by the next. */
export function confirm(held: Holdings, { unrecorded }: Collected, closed: number[]): void {
  const known = new Set(closed);
  for (const { batch, record } of unrecorded) {
    freeSlots(held, record);
    batch.open -= 1;
    if (batch.open === 0 && !known.has(batch.no)) held.closed.push(batch.no);
  }
}

export function restore(held: Holdings, { unrecorded, before }: Collected): void {
  held.ended = [...unrecorded, ...held.ended];
  held.closed = [...before, ...held.closed];
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

/** Forgets all that is not running, recorded or not: it belongs to others now. The books of it are for a rescue to close. */
export function forget(held: Holdings): void {
  takeUnbegun(held);
  held.ended = [];
  held.aside.clear();
  held.slots.clear();
  held.released.clear();
  held.closed = [];
}

/** Attempts that ended and are not recorded yet, whatever they wait for. */
export function countUnrecorded(held: Holdings): number {
  return held.ended.length + held.aside.size;
}

/** All that the database should know as held by this watcher. */
export function listKnown(held: Holdings): HeldTask[] {
  const tasks = [...listHeld(held), ...held.returning].map(({ task }) => task);
  return [...tasks, ...[...held.ended, ...held.aside].map(({ record }) => record)];
}

function listUnbegun(held: Holdings): Holding[] {
  return [...held.queue.slice(held.head), ...held.unprepared];
}
