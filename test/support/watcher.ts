// Watchers in the test's own process. A file that starts some calls stopWatchers after each test, before it drops its database.
import { PassThrough } from 'node:stream';
import { makeLogger } from '../../src/log.ts';
import { callOut } from './builtin.ts';
import { makeBuiltinPrograms } from '../../src/programs/builtin.ts';
import type { Program } from '../../src/programs/program.ts';
import { makeRegistry } from '../../src/programs/registry.ts';
import { openDatabase, type Database } from '../../src/sql/database.ts';
import { writeReply } from '../../src/sql/hook-replies.ts';
import { makeComponentFinder } from '../../src/watcher/find-component.ts';
import { makeWatcher, type Watcher, type WatcherOptions } from '../../src/watcher/watcher.ts';

export interface RunningWatcher extends Watcher {
  db: Database;
  /** Its log, line by line. */
  logged: { level: number; msg: string; [field: string]: unknown }[];
}

const started: (() => Promise<void>)[] = [];

/** A started watcher. It polls so seldom that whatever a test waits for must have come by a hint, unless `pollInterval` says otherwise. */
export async function startWatcher(
  url: string,
  programs: Program[],
  rest: Partial<WatcherOptions> = {},
): Promise<RunningWatcher> {
  const db = rest.db ?? openDatabase({ url, max: 4 });
  const logged: RunningWatcher['logged'] = [];
  const stream = new PassThrough().on('data', (line: Buffer) => {
    for (const one of line.toString().split('\n')) if (one !== '') logged.push(JSON.parse(one));
  });
  const builtin = makeBuiltinPrograms(callOut, {
    writeReply: (...reply) => writeReply(db, ...reply),
    findComponent: makeComponentFinder(db).find,
  });
  const watcher = makeWatcher({
    url,
    registry: makeRegistry([...builtin, ...programs]),
    log: makeLogger({ logLevel: 'debug', logFormat: 'json' }, stream),
    pool: 'default',
    workers: 10,
    pollInterval: 60_000,
    lease: 15_000,
    release: 'test',
    ...rest,
    db,
  });
  await watcher.start();
  let stopped: Promise<void> | undefined;
  const stop = (grace: number) => (stopped ??= watcher.stop(grace));
  started.push(async () => {
    await stop(0);
    await db.close();
  });
  return { ...watcher, stop, db, logged };
}

export async function stopWatchers(): Promise<void> {
  await Promise.all(started.splice(0).map((stop) => stop()));
}
