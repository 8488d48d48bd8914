// The hint between processes that something became ready. Only a hint: a poll is the floor, so losing one loses nothing.
import type { Database } from './database.ts';
import { listen } from './listen.ts';

/** Something became ready in a pool (with the most urgent priority of it), or executions of a flow wait for a place. */
export type Hint = { pool: string; priority: number } | { places: string };

const CHANNEL = 'umbel';

export async function sendHint(db: Database, hint: Hint): Promise<void> {
  await db.pool.query({
    name: 'sendHint',
    text: 'select pg_notify($1, $2)',
    values: [CHANNEL, JSON.stringify(hint)],
  });
}

/** Listens on a connection of its own; `onEnd` is called once when that is lost. Returns how to stop. */
export function listenForHints(
  url: string,
  onHint: (hint: Hint) => void,
  onEnd: (error?: Error) => void,
): Promise<() => Promise<void>> {
  const hear = (payload: string) => {
    const hint = readHint(payload);
    if (hint) onHint(hint);
  };
  return listen({ url, channel: CHANNEL }, hear, onEnd);
}

function readHint(payload: string): Hint | undefined {
  try {
    return JSON.parse(payload) as Hint;
  } catch {
    return undefined;
  }
}
