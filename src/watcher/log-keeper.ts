// Gathers the lines that programs log and stores them beside the work: one insert for all that gathered, before the call that records the
// attempts they belong to, and now and then while a program runs. Whatever becomes of them, no task waits long for it or fails by it.
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../log.ts';
import type { Database } from '../sql/database.ts';
import { isRetryable, isUnreachable } from '../sql/failures.ts';
import { type LogLine, writeLogLines } from '../sql/logs.ts';

/** The log of one attempt, as far as the keeper sees it. */
export interface LogSource {
  /** Lines that were numbered. */
  lines: number;
  /** Lines that gathered and are not stored yet. */
  unstored: number;
  /** Lines that had to be given up. */
  lost: number;
}

export interface GatheredLine extends LogLine {
  source: LogSource;
}

export interface LogKeeper {
  add: (line: GatheredLine) => void;
  /** Its attempt ended: what it left is stored before the attempt is recorded. */
  close: (source: LogSource) => void;
  /** Resolves once the lines of closed logs are stored, and soon in any case. */
  storeClosed: () => Promise<void>;
  /** Stores what is left; resolves within `patience` milliseconds. */
  end: (patience: number) => Promise<void>;
}

/** Lines, and characters of them, that one insert takes, and that may wait for the database. */
const BATCH = { lines: 2_000, size: 4 << 20 };
const MOST = { lines: 20_000, size: 32 << 20 };
/** Milliseconds until a line is stored while its program runs; after a failure; and that recording waits at most. */
const EVERY = 100;
const PAUSE = 1_000;
const PATIENCE = 100;

interface State {
  gathered: GatheredLine[];
  /** Characters that gathered. */
  size: number;
  /** Lines that found no room, or were refused, since that was last said. */
  lost: number;
  /** Whether a closed log has lines here. */
  closed: boolean;
  /** The last insert failed. */
  away: boolean;
  sending: Promise<void> | undefined;
  timer: NodeJS.Timeout | undefined;
}

export function makeLogKeeper(db: Database, log: Logger): LogKeeper {
  const state: State = {
    gathered: [],
    size: 0,
    lost: 0,
    closed: false,
    away: false,
    sending: undefined,
    timer: undefined,
  };
  const deps = { db, log };
  return {
    add: (line) => add(deps, state, line),
    close(source) {
      if (source.unstored > 0) state.closed = true;
    },
    async storeClosed() {
      if (!state.closed || state.away) return;
      state.closed = false;
      await within(PATIENCE, send(deps, state));
    },
    async end(patience) {
      clearTimeout(state.timer);
      await within(patience, send(deps, state));
      giveUp(state, state.gathered.splice(0));
      sayLost(deps, state);
    },
  };
}

interface KeeperDeps {
  db: Database;
  log: Logger;
}

function add(deps: KeeperDeps, state: State, line: GatheredLine): void {
  if (state.gathered.length >= MOST.lines || state.size >= MOST.size) return giveUp(state, [line]);
  line.source.unstored += 1;
  state.size += sizeOf(line);
  state.gathered.push(line);
  schedule(deps, state, EVERY);
}

function schedule(deps: KeeperDeps, state: State, ms: number): void {
  state.timer ??= setTimeout(() => {
    state.timer = undefined;
    void send(deps, state);
  }, ms).unref();
}

/** Stores all that gathered; never rejects. */
function send(deps: KeeperDeps, state: State): Promise<void> {
  state.sending ??= sendAll(deps, state).finally(() => (state.sending = undefined));
  return state.sending;
}

async function sendAll(deps: KeeperDeps, state: State): Promise<void> {
  while (state.gathered.length > 0) {
    const batch = takeBatch(state);
    try {
      await writeLogLines(deps.db, batch);
      for (const { source } of batch) source.unstored -= 1;
      state.away = false;
    } catch (error) {
      state.away = true;
      if (isUnreachable(error) || isRetryable(error)) putBack(state, batch);
      else refuse(deps, state, batch, error);
      return schedule(deps, state, PAUSE);
    }
  }
  sayLost(deps, state);
}

function takeBatch(state: State): GatheredLine[] {
  let count = 0;
  let size = 0;
  for (const line of state.gathered) {
    if (count === BATCH.lines || size >= BATCH.size) break;
    count += 1;
    size += sizeOf(line);
  }
  state.size -= size;
  return state.gathered.splice(0, count);
}

function putBack(state: State, batch: GatheredLine[]): void {
  for (const line of batch) state.size += sizeOf(line);
  state.gathered.unshift(...batch);
}

function sizeOf({ message, fields }: GatheredLine): number {
  return message.length + (fields?.length ?? 0);
}

function refuse({ log }: KeeperDeps, state: State, batch: GatheredLine[], error: unknown): void {
  log.error({ err: error, lines: batch.length }, 'lines that programs logged could not be stored');
  for (const { source } of batch) source.unstored -= 1;
  giveUp(state, batch);
}

function giveUp(state: State, lines: GatheredLine[]): void {
  state.lost += lines.length;
  for (const { source } of lines) source.lost += 1;
}

function sayLost({ log }: KeeperDeps, state: State): void {
  if (state.lost === 0) return;
  log.warn(
    { lines: state.lost },
    'lines that programs logged were lost: the database did not take them in time',
  );
  state.lost = 0;
}

async function within(ms: number, work: Promise<void>): Promise<void> {
  const over = new AbortController();
  await Promise.race([
    work,
    delay(ms, undefined, { signal: over.signal, ref: false }).catch(() => undefined),
  ]);
  over.abort();
}
