// A watcher of the product as the benchmark runs it, with its calls counted. Used by processes/ and by cases that need one in process.
import { Writable } from 'node:stream';
import { makeLogger } from '../../src/log.ts';
import { makeRegistry } from '../../src/programs/registry.ts';
import type { Database } from '../../src/sql/database.ts';
import { makeWatcher, type Watcher, type WatcherOptions } from '../../src/watcher/watcher.ts';
import type { Figures } from '../shape.ts';
import { openPool } from './database.ts';
import { tellingPrograms, type OnStart } from './programs.ts';

export interface WatchSettings {
  url: string;
  workers: number;
}

export interface Watching {
  start: () => Promise<void>;
  /** Something became ready: tells the watcher of this process. */
  hint: (...what: Parameters<Watcher['hint']>) => void;
  /** Stops it and closes its connections. */
  stop: () => Promise<void>;
  /** What its calls claimed, and how often it complained. */
  figures: () => Figures;
}

export const WORKERS = 10;
export const POLL_INTERVAL_MS = 5_000;
const LEASE_MS = 15_000;
const GRACE_MS = 5_000;

export function openWatching(
  { url, workers }: WatchSettings,
  onStart: OnStart,
  onTurn?: WatcherOptions['onTurn'],
): Watching {
  const db = openPool(url, 'umbel bench watch');
  const calls = countCalls(db);
  const complaints = countComplaints();
  const watcher = makeWatcher({
    db,
    url,
    registry: makeRegistry(tellingPrograms(onStart)),
    log: complaints.log,
    pool: 'default',
    workers,
    pollInterval: POLL_INTERVAL_MS,
    lease: LEASE_MS,
    release: 'bench',
    ...(onTurn === undefined ? {} : { onTurn }),
  });
  return {
    start: () => watcher.start(),
    hint: (pool, priority) => watcher.hint(pool, priority),
    stop: async () => {
      await watcher.stop(GRACE_MS);
      await db.close();
    },
    figures: () => ({ ...calls(), complaints: complaints.count() }),
  };
}

/** Warnings and errors go to standard error as always, and are counted. */
function countComplaints() {
  let count = 0;
  const destination = new Writable({
    write(chunk, _encoding, done) {
      count += 1;
      process.stderr.write(chunk, () => done());
    },
  });
  return { log: makeLogger({ logLevel: 'warn', logFormat: 'json' }, destination), count: () => count };
}

const ADVANCE = /^umbel_advance_/;
// Where the call's values say how many tasks can begin at once, and how many it takes in all.
const SLOTS = 2;
const WANT = 3;

/** Looks at the hot calls on their way: how many there are, and how far ahead they claim. */
function countCalls(db: Database): () => Figures {
  const query = db.pool.query.bind(db.pool) as (...args: unknown[]) => unknown;
  let calls = 0;
  let ahead = 0;
  db.pool.query = ((...args: unknown[]) => {
    const { name, values } = args[0] as { name?: string; values?: number[] };
    if (name !== undefined && ADVANCE.test(name)) {
      const [slots = 0, want = 0] = [values?.[SLOTS], values?.[WANT]];
      calls += 1;
      if (slots > 0) ahead = Math.max(ahead, want - slots);
    }
    return query(...args);
  }) as typeof db.pool.query;
  return () => ({ advanceCalls: calls, claimAhead: ahead });
}
