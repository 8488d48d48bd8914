// A consumer of events: reads them in order, at least once, in one process at a time, from where it or its like in another process
// left off. Started by cmd/ for each; lease.ts keeps the others out.
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Database, Tx } from '../sql/database.ts';
import { addCursor, noteFailure } from '../sql/event-cursors.ts';
import {
  type Event,
  type Page,
  type Position,
  positionBefore,
  readEvents,
  readPresent,
} from '../sql/events.ts';
import { isUnreachable } from '../sql/failures.ts';
import type { Bell } from './bell.ts';
import { type Lease, makeLease } from './lease.ts';

export interface ConsumerDeps {
  db: Database;
  bell: Bell;
  log: Logger;
  /** The name under which this installation tells its events. */
  service: string;
  /** Milliseconds between two looks when nothing is heard. */
  poll?: number;
  /** Milliseconds after which the reader of a process that says nothing is taken over. */
  lease?: number;
}

interface Consuming {
  /** Unique; what it has handled is remembered under it. */
  name: string;
  /** Names of events, `flow.*` for all that begin so; absent: all. */
  names?: readonly string[];
  /** Where one that is new begins; `now` when absent. */
  from?: 'start' | 'now';
  /** Looked at together, at most. */
  batch?: number;
  /** Gives the events one by one instead of all that there are at once. */
  oneByOne?: boolean;
}

/** What a handler throws makes it get the same events again, later and later, and holds up nobody else. */
export type Consumer = Consuming &
  (
    | {
        /** At least once: the cursor moves when it resolves. The signal aborts when it had better give up. */
        handle: (events: Event[], signal: AbortSignal) => Promise<void>;
      }
    | {
        /** Exactly once, as far as it writes through `tx`: that is committed together with the cursor. */
        handleIn: (tx: Tx, events: Event[]) => Promise<void>;
      }
  );

export interface Running {
  /** Resolves when what is under way has ended; another process may go on at once. */
  stop: () => Promise<void>;
}

const POLL = 1_000;
const LEASE = 15_000;
const BATCH = 1_000;
const LONGEST_PAUSE = 30_000;

export function startConsumer(deps: ConsumerDeps, consumer: Consumer): Running {
  const stopped = new AbortController();
  const running = consume(deps, consumer, stopped.signal);
  return {
    async stop() {
      stopped.abort();
      await running;
    },
  };
}

async function consume(deps: ConsumerDeps, consumer: Consumer, stopped: AbortSignal): Promise<void> {
  const { db, bell, log } = deps;
  const lease = makeLease({ db, bell, log, consumer: consumer.name, ms: deps.lease ?? LEASE });
  let isAdded = false;
  for (let failures = 0; !stopped.aborted;) {
    try {
      if (!isAdded) await addMissing(db, consumer);
      isAdded = true;
      const heard = bell.count();
      const from = await lease.take();
      if (from === null) await bell.wait(heard, jitter(deps.lease ?? LEASE) / 2, stopped);
      else await readOn(deps, consumer, { lease, from, signal: AbortSignal.any([stopped, lease.lost()]) });
      failures = 0;
    } catch (error) {
      if (!isUnreachable(error))
        log.error({ err: error, consumer: consumer.name }, 'events were not read; trying again');
      await pause((failures += 1), stopped);
    }
  }
  await lease.release();
}

async function addMissing(db: Database, { name, from }: Consumer): Promise<void> {
  await addCursor(db, name, from === 'start' ? positionBefore(0n) : await readPresent(db));
}

interface Reading {
  lease: Lease;
  from: Position;
  /** Aborts when the lease is lost or the consumer is to stop. */
  signal: AbortSignal;
}

async function readOn(
  deps: ConsumerDeps,
  consumer: Consumer,
  { lease, from, signal }: Reading,
): Promise<void> {
  const { db, bell, service, poll = POLL } = deps;
  const { names = null, batch = BATCH } = consumer;
  for (let position = from; !signal.aborted;) {
    const heard = bell.count();
    const page = await readEvents(db, { from: position, names, most: batch, service });
    if (page.end !== null)
      position = await settlePage(deps, consumer, { lease, from: position, signal }, page);
    if (!page.hasMore && !signal.aborted) await bell.wait(heard, jitter(poll), signal);
  }
}

/** Handles a page, all of it however often it takes, and gives where it ends. */
async function settlePage(
  deps: ConsumerDeps,
  consumer: Consumer,
  reading: Reading,
  page: Page,
): Promise<Position> {
  const end = page.end ?? reading.from;
  const all = page.events.map(({ event }) => event);
  const parts = consumer.oneByOne
    ? page.events.map(({ event, position }) => ({ events: [event], to: position }))
    : [{ events: all, to: end }];
  for (const part of parts) if (part.events.length > 0) await settlePart(deps, consumer, reading, part);
  if (all.length === 0 || page.events.at(-1)?.position !== end) await reading.lease.move(deps.db.kysely, end);
  return end;
}

interface Part {
  events: Event[];
  to: Position;
}

async function settlePart(
  deps: ConsumerDeps,
  consumer: Consumer,
  reading: Reading,
  part: Part,
): Promise<void> {
  const { db, log } = deps;
  while (!reading.signal.aborted) {
    try {
      return await handlePart(db, consumer, reading, part);
    } catch (error) {
      if (isUnreachable(error) && 'handleIn' in consumer) throw error;
      if (reading.signal.aborted) return;
      const failures = await noteFailure(db, consumer.name, reading.lease.holder, messageOf(error));
      log.warn(
        { err: error, consumer: consumer.name, event: part.events[0]?.id, failures },
        'events were not handled; trying again',
      );
      await pause(failures, reading.signal);
    }
  }
}

async function handlePart(
  db: Database,
  consumer: Consumer,
  { lease, signal }: Reading,
  part: Part,
): Promise<void> {
  const { events, to } = part;
  if ('handle' in consumer) {
    await consumer.handle(events, signal);
    await lease.move(db.kysely, to);
    return;
  }
  await db.kysely.transaction().execute(async (tx) => {
    // First: whoever took the lease over waits for the row, or has it and we do nothing.
    if (await lease.move(tx, to)) await consumer.handleIn(tx, events);
  });
}

async function pause(failures: number, signal: AbortSignal): Promise<void> {
  const ms = Math.min(LONGEST_PAUSE, 50 * 2 ** Math.min(failures, 16));
  await sleep(jitter(ms), undefined, { signal }).catch(() => undefined);
}

function jitter(ms: number): number {
  return ms * (0.75 + Math.random() * 0.5);
}
