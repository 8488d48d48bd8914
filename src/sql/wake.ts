// The hint between processes that something became ready. Only a hint: a poll is the floor, so losing one loses nothing.
import pg from 'pg';
import type { Database } from './database.ts';

export interface ReadyHint {
  pool: string;
  /** The most urgent priority that became ready. */
  priority: number;
}

const CHANNEL = 'umbel';

export async function sendHint(db: Database, hint: ReadyHint): Promise<void> {
  await db.pool.query({
    name: 'sendHint',
    text: 'select pg_notify($1, $2)',
    values: [CHANNEL, JSON.stringify(hint)],
  });
}

/** Listens on a connection of its own; `onEnd` is called once when that is lost. Returns how to stop. */
export async function listenForHints(
  url: string,
  onHint: (hint: ReadyHint) => void,
  onEnd: (error?: Error) => void,
): Promise<() => Promise<void>> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'umbel listen',
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
  });
  client.on('notification', ({ payload }) => onHint(readHint(payload)));
  client.on('error', onEnd);
  await client.connect();
  await client.query(`listen ${CHANNEL}`);
  client.on('end', () => onEnd());
  return () => client.end();
}

/** A hint that cannot be read is the most urgent one for every pool. */
function readHint(payload: string | undefined): ReadyHint {
  try {
    const hint = JSON.parse(payload ?? '') as ReadyHint;
    if (typeof hint.pool === 'string' && typeof hint.priority === 'number') return hint;
  } catch {
    // falls through
  }
  return { pool: '', priority: -20 };
}
