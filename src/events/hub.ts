// Gives events to those who listen just now: all listeners of a process share one reader. One who was away is first given what it
// missed. Made once a process by cmd/, asked by http/routes/events.ts.
import type { Json } from '../dag/vocabulary.ts';
import { UmbelError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Database } from '../sql/database.ts';
import { type Found, type Position, readEvents, readPresent } from '../sql/events.ts';
import type { Bell } from './bell.ts';
import { makeNameFilter } from './names.ts';
import { isAhead, isVisible, readToken, writeToken } from './token.ts';

export interface Listener {
  tenant: string;
  /** Patterns of names; null: all. */
  names: readonly string[] | null;
  /** The token, or the id, of the last event that it got; `start`: none; null: it begins with what happens now. */
  from: string | null;
  /** One event, and the token of the position behind it. False: it cannot take more for now. */
  send: (message: Message, token: string) => boolean;
  /** Resolves when it can take more again, or is gone. */
  drained: () => Promise<void>;
  /** It gets nothing more. */
  end: () => void;
}

/** An event as it is told to others. */
export interface Message {
  id: string;
  headers: { name: string; createdAt: string; serviceName: string };
  payload: Json;
}

export interface Hub {
  /** Gives how to stop. Errors: `LISTENERS_FULL`, `EVENT_ID_INVALID`. */
  listen(listener: Listener): () => void;
  /** Ends all. */
  close(): Promise<void>;
}

export interface HubOptions {
  db: Database;
  bell: Bell;
  log: Logger;
  service: string;
  /** Listeners at once; 1,000 when absent. */
  most?: number;
  poll?: number;
}

interface Member {
  listener: Listener;
  wants: (found: Found) => boolean;
  /** What came while it is still given what it missed; null: it is up to date. */
  waiting: Found[] | null;
  gone: AbortController;
}

const MOST = 1_000;
const POLL = 1_000;
const BATCH = 500;
/** Events that may come while somebody catches up. */
const LONGEST_WAIT = 10_000;

export function makeHub(options: HubOptions): Hub {
  const members = new Set<Member>();
  const closed = new AbortController();
  let reading: Promise<void> | undefined;
  /** Resolves when the reader has taken its place: who catches up must not arrive before it. */
  let started = Promise.withResolvers<void>();

  const leave = (member: Member) => {
    if (!members.delete(member)) return;
    member.gone.abort();
    member.listener.end();
  };
  const readOn = async () => {
    try {
      const position = await readPresent(options.db);
      started.resolve();
      await serve(options, position, members, leave, closed.signal);
    } catch (error) {
      options.log.debug({ err: error }, 'listeners are cut off: events cannot be read');
      for (const member of members) leave(member);
    } finally {
      started.resolve();
      started = Promise.withResolvers();
    }
  };
  const read = async () => {
    while (members.size > 0 && !closed.signal.aborted) await readOn();
    reading = undefined;
  };

  return {
    listen(listener) {
      const { most = MOST } = options;
      if (members.size >= most || closed.signal.aborted) throw new UmbelError('LISTENERS_FULL', { most });
      const from = listener.from === null ? null : readFrom(listener.from);
      const member = makeMember(listener);
      members.add(member);
      reading ??= read();
      if (from !== null) void started.promise.then(() => catchUp(options, member, from, () => leave(member)));
      return () => leave(member);
    },
    async close() {
      closed.abort();
      for (const member of members) leave(member);
      await reading;
    },
  };
}

function readFrom(text: string): Position {
  const position = readToken(text === 'start' ? '0' : text);
  if (position === null) throw new UmbelError('EVENT_ID_INVALID', { id: text.slice(0, 100) });
  return position;
}

function makeMember(listener: Listener): Member {
  const isNamed = makeNameFilter(listener.names);
  return {
    listener,
    wants: ({ event }) => event.tenant === listener.tenant && isNamed(event.headers.name),
    waiting: listener.from === null ? null : [],
    gone: new AbortController(),
  };
}

/** Reads for all members, until there is none. */
async function serve(
  { db, bell, service, poll = POLL }: HubOptions,
  from: Position,
  members: Set<Member>,
  leave: (member: Member) => void,
  closed: AbortSignal,
): Promise<void> {
  let position = from;
  while (members.size > 0 && !closed.aborted) {
    const heard = bell.count();
    const page = await readEvents(db, { from: position, names: null, most: BATCH, service });
    for (const member of members) if (!giveAll(member, page.events)) leave(member);
    position = page.end ?? position;
    if (!page.hasMore) await bell.wait(heard, poll, closed);
  }
}

/** False: it is too slow for what comes. */
function giveAll(member: Member, events: Found[]): boolean {
  const wanted = events.filter(member.wants);
  if (member.waiting !== null) {
    member.waiting.push(...wanted);
    return member.waiting.length <= LONGEST_WAIT;
  }
  return wanted.every((found) => give(member, found)) || wanted.length === 0;
}

function give({ listener }: Member, { event, position }: Found): boolean {
  const { tenant: _, ...message } = event;
  return listener.send(message, writeToken(position));
}

/** Gives a member what it missed, then what came meanwhile; from then on the shared reader serves it. */
async function catchUp(
  options: HubOptions,
  member: Member,
  from: Position,
  leave: () => void,
): Promise<void> {
  try {
    const { seen } = await giveMissed(options, member, from);
    const waiting = member.waiting ?? [];
    const { wants } = member;
    // The reader may be behind: it comes to what was given already.
    member.wants = (found) => wants(found) && !isVisible(found.xid, seen);
    member.waiting = null;
    if (!giveAll(member, waiting)) leave();
  } catch (error) {
    options.log.debug({ err: error }, 'a listener is cut off: what it missed cannot be read');
    leave();
  }
}

async function giveMissed({ db, service }: HubOptions, member: Member, from: Position): Promise<Position> {
  const { listener, gone } = member;
  const present = await readPresent(db);
  let position = isAhead(from.seen, present.seen) ? { ...from, seen: '3:3:', upto: null, after: null } : from;
  for (let hasMore = true; hasMore && !gone.signal.aborted;) {
    const page = await readEvents(db, { from: position, names: listener.names, most: BATCH, service });
    for (const found of page.events.filter(member.wants))
      if (!gone.signal.aborted && !give(member, found)) await listener.drained();
    position = page.end ?? position;
    hasMore = page.hasMore;
  }
  return position;
}
