// A watcher: membership, loop and ears put together. Made by cmd/; one a process.
import { hostname } from 'node:os';
import type { Logger } from '../log.ts';
import type { Registry } from '../programs/registry.ts';
import { admitExecutions } from '../sql/admit.ts';
import type { Database } from '../sql/database.ts';
import { makeHinter } from '../sql/hinter.ts';
import { returnTasks } from '../sql/leases.ts';
import type { Hint } from '../sql/wake.ts';
import { keepListening } from './ears.ts';
import { makeAhead } from './ahead.ts';
import { DISOWNED, HANDED_BACK, makeBegin } from './begin.ts';
import { makeHoldings, type Holding } from './holdings.ts';
import { makeLoop } from './loop.ts';
import { makeMembership } from './membership.ts';
import { makeClaimPosition } from './position.ts';
import { makePrepare } from './prepare.ts';
import { makeWaker } from './waker.ts';

export interface WatcherOptions {
  db: Database;
  /** Where to listen for hints; a connection of its own. */
  url: string;
  registry: Registry;
  log: Logger;
  /** The one pool of tasks that it serves. */
  pool: string;
  /** Programs that run at once. */
  workers: number;
  /** Milliseconds between looks when nothing wakes it. */
  pollInterval: number;
  /** Milliseconds of silence after which others take its tasks back. */
  lease: number;
  /** Losses after which a task is suspended. */
  lostLimit?: number;
  /** Umbel's version, for `kr_watcher`. */
  release: string;
}

export interface Watcher {
  start(): Promise<void>;
  /** Claims no more, lets programs end for `grace` milliseconds, hands the rest back, and signs off. */
  stop(grace: number): Promise<void>;
  /** Something of this priority became ready in a pool, in this process. */
  hint(pool: string, priority: number): void;
}

const LOST_LIMIT = 3;
/** Milliseconds past the grace time after which unrecorded results are given up: the database is away. */
const HOPELESS = 10_000;

export function makeWatcher(options: WatcherOptions): Watcher {
  const { db, log, pool, workers } = options;
  const waker = makeWaker();
  const holdings = makeHoldings();
  const ahead = makeAhead();
  const position = makeClaimPosition();
  const returned: Holding[] = [];
  let closed = false;
  const membership = makeMembership({
    db,
    log,
    lostLimit: options.lostLimit ?? LOST_LIMIT,
    record: {
      name: `${hostname()}:${process.pid}`,
      pool,
      workers,
      programs: options.registry.names(),
      release: options.release,
      lease: options.lease,
    },
    onReady: () => waker.wake(),
    onGone() {
      holdings.forget();
      stopAll(DISOWNED);
    },
  });
  const beginNext = makeBegin({
    registry: options.registry,
    holdings,
    ahead,
    waker,
    workers,
    log,
    isClosed: () => closed,
    onReturned: (holding) => returned.push(holding),
  });
  const loop = makeLoop({
    db,
    pool,
    workers,
    pollInterval: options.pollInterval,
    membership,
    holdings,
    ahead,
    position,
    waker,
    beginNext,
    log,
    prepare: makePrepare(db, options.registry),
    hinter: makeHinter(db, log),
  });
  let running = Promise.resolve();
  let deaf = async () => {};

  const hint = (hinted: string, priority: number) => {
    if (hinted !== pool) return;
    position.hint(priority);
    waker.wake();
  };
  const hear = (heard: Hint) => {
    if ('pool' in heard) return hint(heard.pool, heard.priority);
    admitExecutions(db, [heard.places]).catch((error: unknown) =>
      log.debug({ err: error }, 'admission put off'),
    );
  };

  const stopAll = (reason: Error) => {
    for (const { stop } of holdings.running()) stop!.stop(reason);
  };
  const handBack = async (tasks: Holding[], begun: boolean) => {
    if (tasks.length === 0) return;
    await returnTasks(
      db,
      membership.id,
      tasks.map(({ task }) => task),
      begun,
    )
      .then((count) => log.info({ tasks: count }, 'handed back'))
      .catch((error: unknown) =>
        log.warn({ err: error }, 'could not hand tasks back; others take them when the lease runs out'),
      );
  };
  const handBackUnbegun = async () => {
    const unbegun = holdings.drain();
    for (const holding of unbegun) holdings.drop(holding);
    await handBack(unbegun, false);
  };

  return {
    hint,
    async start() {
      await membership.join();
      deaf = keepListening(options.url, hear, () => waker.wake(), log);
      running = loop.run();
      log.info({ watcher: membership.id, pool, workers }, 'watching');
    },
    async stop(grace) {
      closed = true;
      loop.close();
      await deaf();
      await handBackUnbegun();
      const overdue = setTimeout(() => stopAll(HANDED_BACK), grace);
      const hopeless = setTimeout(() => loop.abandon(), grace + HOPELESS);
      await running;
      clearTimeout(overdue);
      clearTimeout(hopeless);
      // What a call brought in that was under way when the loop was closed.
      await handBackUnbegun();
      await handBack(returned, true);
      await membership
        .leave()
        .catch((error: unknown) => log.warn({ err: error }, 'could not sign off; the lease will run out'));
    },
  };
}
