// One who listens to events, and how it is given them: as they come, or first what it missed. Called by hub.ts.
import type { Json } from '../dag/vocabulary.ts';
import type { Logger } from '../log.ts';
import type { Database } from '../sql/database.ts';
import { type Found, type Position, readEvents, readPresent } from '../sql/events.ts';
import { makeNameFilter } from './names.ts';
import { isAhead, isVisible, writeToken } from './token.ts';

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

export interface Member {
  listener: Listener;
  wants: (found: Found) => boolean;
  /** What came while it is still given what it missed; null: it is up to date. */
  waiting: Found[] | null;
  gone: AbortController;
}

/** Looked at together, at most. */
export const BATCH = 500;
/** Events that may come while somebody catches up. */
const LONGEST_WAIT = 10_000;

export function makeMember(listener: Listener): Member {
  const isNamed = makeNameFilter(listener.names);
  return {
    listener,
    wants: ({ event }) => event.tenant === listener.tenant && isNamed(event.headers.name),
    waiting: listener.from === null ? null : [],
    gone: new AbortController(),
  };
}

/** False: it is too slow for what comes. */
export function giveAll(member: Member, events: Found[]): boolean {
  const wanted = events.filter(member.wants);
  if (member.waiting !== null) {
    member.waiting.push(...wanted);
    return member.waiting.length <= LONGEST_WAIT;
  }
  return wanted.every((found) => give(member, found));
}

function give({ listener }: Member, { event, position }: Found): boolean {
  const { tenant: _, ...message } = event;
  return listener.send(message, writeToken(position));
}

interface MissedOptions {
  db: Database;
  log: Logger;
  service: string;
}

/** Gives a member what it missed, then what came meanwhile; from then on the shared reader serves it. */
export async function catchUp(
  options: MissedOptions,
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

async function giveMissed({ db, service }: MissedOptions, member: Member, from: Position): Promise<Position> {
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
