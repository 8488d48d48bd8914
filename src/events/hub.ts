// Gives events to those who listen just now: all listeners of a process share one reader. Made once a process by cmd/, asked by
// http/routes/events.ts.
import { UmbelError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Database } from '../sql/database.ts';
import { type Position, readEvents, readPresent } from '../sql/events.ts';
import type { Bell } from './bell.ts';
import { BATCH, catchUp, giveAll, type Listener, makeMember, type Member } from './member.ts';
import { readToken } from './token.ts';

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

const MOST = 1_000;
const POLL = 1_000;

export function makeHub(options: HubOptions): Hub {
  const { most = MOST } = options;
  const members = new Set<Member>();
  const closed = new AbortController();
  const leave = (member: Member) => {
    if (!members.delete(member)) return;
    member.gone.abort();
    member.listener.end();
  };
  const reader = makeReader(options, { members, leave, closed: closed.signal });

  return {
    listen(listener) {
      const from = listener.from === null ? null : readFrom(listener.from);
      if (members.size >= most || closed.signal.aborted) throw new UmbelError('LISTENERS_FULL', { most });
      const member = makeMember(listener);
      members.add(member);
      const started = reader.start();
      if (from !== null) void started.then(() => catchUp(options, member, from, () => leave(member)));
      return () => leave(member);
    },
    async close() {
      closed.abort();
      for (const member of members) leave(member);
      await reader.ended();
    },
  };
}

function readFrom(text: string): Position {
  const position = readToken(text === 'start' ? '0' : text);
  if (position === null) throw new UmbelError('EVENT_ID_INVALID', { id: text.slice(0, 100) });
  return position;
}

interface Audience {
  members: Set<Member>;
  leave: (member: Member) => void;
  closed: AbortSignal;
}

/** Reads while there is a member. `start` resolves when it has taken its place: who catches up must not arrive before it. */
function makeReader(options: HubOptions, audience: Audience) {
  const { members, leave, closed } = audience;
  let reading: Promise<void> | undefined;
  let started = Promise.withResolvers<void>();

  const readOn = async () => {
    try {
      const position = await readPresent(options.db);
      started.resolve();
      await serve(options, audience, position);
    } catch (error) {
      options.log.debug({ err: error }, 'listeners are cut off: events cannot be read');
      for (const member of members) leave(member);
    } finally {
      started.resolve();
      started = Promise.withResolvers();
    }
  };
  const read = async () => {
    while (members.size > 0 && !closed.aborted) await readOn();
    reading = undefined;
  };
  return {
    start() {
      reading ??= read();
      return started.promise;
    },
    ended: async () => reading,
  };
}

async function serve(
  { db, bell, service, poll = POLL }: HubOptions,
  { members, leave, closed }: Audience,
  from: Position,
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
