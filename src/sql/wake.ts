// The hint between processes that something became ready. Only a hint: a poll is the floor, so losing one loses nothing.
import { Socket } from 'node:net';
import { Client } from 'pg';
import type { Database } from './database.ts';

/**
 * Something became ready in a pool (with the most urgent priority of it), executions of a flow wait for a place, schedules began,
 * changed or went on, a flow or a component starts or stops, components changed, or there are new events (of a consumer: somebody
 * gave it up, or put it elsewhere; else empty). On the channel of webhooks: the hook of a flow opened, closed or changed, or an
 * execution answered its caller.
 */
export type Hint =
  | { pool: string; priority: number }
  | { places: string }
  | { schedules: true }
  | { moving: true }
  | { components: true }
  | { events: string }
  | { hook: string }
  | { reply: string };

const CHANNEL = 'umbel';
/** Where register servers hear of webhooks. */
export const HOOKS = 'umbel_hooks';

export async function sendHint(db: Database, hint: Hint): Promise<void> {
  await db.pool.query({
    name: 'sendHint',
    text: 'select pg_notify($1, $2)',
    values: [CHANNEL, JSON.stringify(hint)],
  });
}

/** Milliseconds that a connection gets to say goodbye. */
const GOODBYE = 1_000;

/** Listens on a connection of its own; `onEnd` is called once when that is lost. Returns how to stop. */
export async function listenForHints(
  url: string,
  onHint: (hint: Hint) => void,
  onEnd: (error?: Error) => void,
  channel = CHANNEL,
): Promise<() => Promise<void>> {
  const socket = new Socket();
  const client = new Client({
    connectionString: url,
    application_name: 'umbel listen',
    keepAlive: true,
    keepAliveInitialDelayMillis: 30_000,
    connectionTimeoutMillis: 10_000,
    stream: () => socket,
  });
  client.on('notification', ({ payload }) => {
    const hint = readHint(payload);
    if (hint) onHint(hint);
  });
  client.on('error', onEnd);
  await client.connect();
  await client.query(`listen ${channel}`);
  client.on('end', () => onEnd());
  return async () => {
    const cut = setTimeout(() => socket.destroy(), GOODBYE);
    await client.end();
    clearTimeout(cut);
  };
}

function readHint(payload: string | undefined): Hint | undefined {
  try {
    return JSON.parse(payload ?? '') as Hint;
  } catch {
    return undefined;
  }
}
