// A watcher: membership, loop and ears put together. Made by cmd/; one a process.
import { hostname } from 'node:os';
import type { Logger } from '../log.ts';
import type { Registry } from '../programs/registry.ts';
import { admitExecutions } from '../sql/admit.ts';
import type { Database } from '../sql/database.ts';
import { makeHinter } from '../sql/hinter.ts';
import { readSnapshot } from '../sql/snapshots.ts';
import type { WatcherRecord } from '../sql/leases.ts';
import { keepListening } from '../sql/ears.ts';
import { limitedLane } from '../dag/vocabulary.ts';
import type { Hint } from '../sql/wake.ts';
import { makeAhead } from './ahead.ts';
import { DISOWNED, type FindSecret, makeBegin } from './begin.ts';
import { watchForCancels } from './cancel.ts';
import type { StartExecution } from './children.ts';
import { drain, stopRunning } from './drain.ts';
import { countQueued, countUnrecorded, forget, makeHoldings, type Holdings } from './holdings.ts';
import { makeLogKeeper } from './log-keeper.ts';
import { makeHeartbeats } from './heartbeats.ts';
import { type Loop, makeLoop } from './loop.ts';
import { join, makeMembership, type Membership } from './membership.ts';
import { makeClaimPosition } from './position.ts';
import { makePrepare } from './prepare.ts';
import { runAttempt, type RunAttempt } from './run-attempt.ts';
import { makeTimekeeper } from './timekeeper.ts';
import { findTracer, traceExecutions, traceTasks } from './trace.ts';
import type { OnTurn } from './turn.ts';
import { makeWaker } from '../sql/waker.ts';

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
  /** Told that components changed. */
  onComponents?: () => void;
  /** Umbel's version, for `kr_watcher`. */
  release: string;
  /** Address under which others reach the register server. */
  publicUrl?: string;
  /** Starts what `flow.execute` asks for; absent: it fails. */
  startExecution?: StartExecution;
  /** Told of every turn of the loop, for metrics. */
  onTurn?: OnTurn;
  /** What expressions in parameters may ask for; default: there are none. */
  findSecret?: FindSecret;
}

/** How a watcher stands. */
export interface WatcherState {
  workers: number;
  /** Tasks whose programs run. */
  running: number;
  /** Tasks held and not begun. */
  queued: number;
  /** Ended tasks that are not recorded yet. */
  unrecorded: number;
  /** Milliseconds since the lease was last renewed. */
  leaseAge: number;
  /** Live watchers of the same pool besides this one. */
  others: number;
}

export interface Watcher {
  start(): Promise<void>;
  /** Claims no more, lets programs end for `grace` milliseconds, hands the rest back, and signs off. */
  stop(grace: number): Promise<void>;
  /** Something of this priority became ready in a pool, in this process. */
  hint(pool: string, priority: number): void;
  look(): WatcherState;
}

const LOST_LIMIT = 3;
/** Milliseconds that a watcher that stops waits for the lines that programs logged. */
const LOG_PATIENCE = 5_000;

/** For what was hinted at while nobody listened, limited tasks included. */
function lookAround(loop: Loop): void {
  loop.limit();
  loop.wake();
}

function admit(db: Database, flow: string, log: Logger): void {
  admitExecutions(db, [flow]).catch((error: unknown) => log.debug({ err: error }, 'admission put off'));
}

export function makeWatcher(options: WatcherOptions): Watcher {
  const { db, log, pool } = options;
  const parts = makeParts(options);
  const { holdings, heartbeats, membership, position, loop, timekeeper, logs } = parts;
  let running = Promise.resolve();
  let deaf = async () => {};
  let uncancellable = () => {};

  const hint = (hinted: string, priority: number) => {
    if (hinted === limitedLane(pool)) return loop.limit();
    if (hinted !== pool) return;
    if (position.hint(priority)) loop.hurry();
    else loop.wake();
  };
  const hear = (heard: Hint) => {
    if ('pool' in heard) return hint(heard.pool, heard.priority);
    if ('components' in heard) options.onComponents?.();
    if ('places' in heard) admit(db, heard.places, log);
  };

  return {
    hint,
    look: () => lookAt(parts, options.workers),
    async start() {
      await join(membership);
      deaf = keepListening(options.url, hear, () => lookAround(loop), log);
      running = loop.run();
      timekeeper.start();
      uncancellable = watchForCancels({ db, holdings, membership, onDropped: () => loop.wake(), log });
      log.info({ watcher: membership.id, pool, workers: options.workers }, 'watching');
    },
    async stop(grace) {
      parts.close();
      // At once: a call made while the listening ends would take tasks in only to hand them back.
      loop.close();
      await deaf();
      await drain({ db, holdings, heartbeats, membership, loop, running, log }, grace);
      uncancellable();
      await logs.end(LOG_PATIENCE);
    },
  };
}

function lookAt({ holdings, membership }: ReturnType<typeof makeParts>, workers: number): WatcherState {
  return {
    workers,
    running: holdings.running.size,
    queued: countQueued(holdings),
    unrecorded: countUnrecorded(holdings),
    leaseAge: performance.now() - membership.renewed,
    others: membership.others,
  };
}

/** The pieces that share what the watcher holds. */
function makeParts(options: WatcherOptions) {
  const { db, log, pool } = options;
  const shared = { ...pickShared(options), ...addTraces(options) };
  const { holdings } = shared;
  const closing = { closed: false };
  const wake = () => loop.wake();
  const hinter = makeHinter(db, log);
  const membership = makeOwnMembership(options, holdings, wake);
  const position = makeClaimPosition();
  const heartbeats = makeHeartbeats({ db, membership, log });
  const onReady = (ready: string, priority: number) => {
    hinter.hint(ready, priority);
    if (ready === pool) wake();
  };
  const timekeeper = makeTimekeeper({ ...shared, onReady });
  const onDelayed = (delay: number) => timekeeper.expect(delay);
  const beginNext = makeBegin({
    ...shared,
    heartbeats,
    findSecret: options.findSecret ?? (() => undefined),
    readSnapshot: (flow, step) => readSnapshot(db.kysely, flow, step),
    isClosed: () => closing.closed,
  });
  const prepare = makePrepare(db, options.registry, `${options.publicUrl ?? ''}/tasks`);
  const loop = makeLoop({ ...shared, membership, position, prepare, hinter, beginNext, onDelayed });
  const close = () => {
    closing.closed = true;
    timekeeper.stop();
  };
  const { logs } = shared;
  return { timekeeper, holdings, heartbeats, position, membership, loop, logs, close };
}

/** What several pieces are made of. */
function pickShared(options: WatcherOptions) {
  const { db, log, registry, workers, pool, pollInterval, startExecution } = options;
  return {
    db,
    log,
    registry,
    workers,
    pool,
    pollInterval,
    startExecution,
    holdings: makeHoldings(),
    logs: makeLogKeeper(db, log),
    ahead: makeAhead(),
    waker: makeWaker(),
  };
}

/** Whether an SDK is registered is asked once: without one, tasks run as if there were no traces. */
function addTraces({ release, db, log, onTurn }: WatcherOptions): { run: RunAttempt; onTurn?: OnTurn } {
  const tracer = findTracer(release);
  if (tracer === undefined) return { run: runAttempt, ...(onTurn ? { onTurn } : {}) };
  const trace = traceExecutions(tracer, db, log);
  return {
    run: traceTasks(tracer, runAttempt),
    onTurn(call, answer, ms) {
      onTurn?.(call, answer, ms);
      trace(call.ended);
    },
  };
}

function makeOwnMembership(options: WatcherOptions, holdings: Holdings, wake: () => void): Membership {
  const { db, log, lostLimit = LOST_LIMIT } = options;
  const onGone = () => {
    forget(holdings);
    stopRunning(holdings, DISOWNED);
    wake();
  };
  return makeMembership({
    db,
    log,
    lostLimit,
    record: recordOf(options),
    onReady: wake,
    onGone,
  });
}

function recordOf({ pool, workers, registry, release, lease }: WatcherOptions): WatcherRecord {
  return { name: `${hostname()}:${process.pid}`, pool, workers, programs: registry.names(), release, lease };
}
