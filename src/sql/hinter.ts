// Coalesces hints to other processes: the first goes at once, those of the next milliseconds together. Before PostgreSQL 19 each
// NOTIFY takes a lock on the whole database at commit, so it never rides in a hot transaction.
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../log.ts';
import type { Database } from './database.ts';
import { sendHint } from './wake.ts';

export interface Hinter {
  /** Tells watchers of other processes that something of this priority is ready in a pool. */
  hint(pool: string, priority: number): void;
}

export function makeHinter(db: Database, log: Logger, everyMs = 10): Hinter {
  const pending = new Map<string, number>();
  let busy = false;
  // One at a time: a database that hangs shall not be asked for more connections than this one.
  const flush = async () => {
    busy = true;
    while (pending.size > 0) {
      const hints = [...pending];
      pending.clear();
      for (const [pool, priority] of hints)
        await sendHint(db, { pool, priority }).catch((error: unknown) =>
          log.debug({ err: error }, 'hint not sent'),
        );
      await delay(everyMs, undefined, { ref: false });
    }
    busy = false;
  };
  return {
    hint(pool, priority) {
      pending.set(pool, Math.min(priority, pending.get(pool) ?? priority));
      if (!busy) void flush();
    },
  };
}
