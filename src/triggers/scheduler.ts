// The scheduler of a process: sleeps until the next schedule is due, and fires what is. Any number of them work on one database.
// Made and stopped by cmd/.
import type { Logger } from '../log.ts';
import type { ManyRegistrar } from '../registrar/register-many.ts';
import type { Database } from '../sql/database.ts';
import { keepListening } from '../sql/ears.ts';
import { isUnreachable } from '../sql/failures.ts';
import { type Agenda, listSoonDue, readAgenda } from '../sql/schedules.ts';
import { makeWaker, type Waker } from '../sql/waker.ts';
import { cancelRunning, runTurn, type Turn } from './fire.ts';

export interface SchedulerOptions {
  db: Database;
  /** To listen for hints. */
  url: string;
  registrar: ManyRegistrar;
  /** Longest sleep, in milliseconds: how soon a change is seen whose hint was lost, and a clock that jumped. */
  pollInterval: number;
  log: Logger;
  /** Told of every turn that did something. */
  onTurn?: (turn: Turn) => void;
}

export interface Scheduler {
  start: () => void;
  /** Resolves when nothing is under way any more. */
  stop: () => Promise<void>;
}

/** Times wait for an execution to end: how often it is looked for, as ends send no hint. */
const QUEUE_POLL = 250;
/** Somebody else holds what is due; it will have moved on by then. */
const CONTENDED = 20;
/** Plans of flows that fire within this are read while there is time. */
const AHEAD = 60_000;
const WARMED = 10_000;
const WARMED_AT_ONCE = 100;
const WARM_EVERY = 5_000;
/** Reading ahead leaves off that long before the next one is due. */
const WARMING = 200;
const FAILED_PAUSE = 1_000;

export function makeScheduler(options: SchedulerOptions): Scheduler {
  const { url, log } = options;
  const waker = makeWaker();
  const stopped = new AbortController();
  let running = Promise.resolve();
  let deaf = () => Promise.resolve();
  const wake = () => waker.wake();
  return {
    start() {
      deaf = keepListening(url, (hint) => 'schedules' in hint && wake(), wake, log);
      running = run(options, waker, stopped.signal);
      log.info('scheduling');
    },
    async stop() {
      stopped.abort();
      wake();
      await running;
      await deaf();
    },
  };
}

async function run(options: SchedulerOptions, waker: Waker, stopped: AbortSignal): Promise<void> {
  const readAhead = makeReadAhead(options);
  while (!stopped.aborted) {
    const pause = await act(options, readAhead).catch((error: unknown) => putOff(error, options.log));
    if (pause > 0) await waker.sleep(pause);
  }
}

function putOff(error: unknown, log: Logger): number {
  if (isUnreachable(error)) log.debug({ err: error }, 'scheduling put off: the database is away');
  else log.error({ err: error }, 'scheduling failed; trying again');
  return FAILED_PAUSE;
}

/** A turn, and what it asks for. Answers how long there is nothing to do. */
async function act(options: SchedulerOptions, readAhead: ReadAhead): Promise<number> {
  const { db, registrar, log, onTurn } = options;
  const turn = await runTurn({ db, registrar });
  if (turn.taken === 0) return findPause(options, readAhead);
  onTurn?.(turn);
  for (const cancel of turn.cancels) {
    await cancelRunning(db, cancel);
    log.info({ ...cancel }, 'cancelled executions: the next time of their schedule came');
  }
  for (const { flow, slot, decision, reason } of turn.fires)
    if (decision === 'failed') log.warn({ flow, slot, reason }, 'a schedule could not start its flow');
  return 0;
}

async function findPause({ db, pollInterval }: SchedulerOptions, readAhead: ReadAhead): Promise<number> {
  const pause = pauseOf(await readAgenda(db), pollInterval);
  const hasRead = await readAhead(performance.now() + pause - WARMING);
  return hasRead ? pauseOf(await readAgenda(db), pollInterval) : pause;
}

/** Reads what will soon be needed, until a time; answers whether it did. */
type ReadAhead = (until: number) => Promise<boolean>;

function makeReadAhead({ db, registrar }: SchedulerOptions): ReadAhead {
  let next = 0;
  return async (until) => {
    const now = performance.now();
    if (now < next || now >= until) return false;
    next = now + WARM_EVERY;
    const soon = await listSoonDue(db, AHEAD, WARMED);
    for (let at = 0; at < soon.length && performance.now() < until; at += WARMED_AT_ONCE)
      await registrar.warm(soon.slice(at, at + WARMED_AT_ONCE));
    return true;
  };
}

function pauseOf({ now, due, waits }: Agenda, pollInterval: number): number {
  const poll = pollInterval * (0.75 + Math.random() * 0.25);
  const longest = waits ? Math.min(poll, QUEUE_POLL) : poll;
  if (due === null) return longest;
  const left = due.getTime() - now.getTime();
  return left <= 0 ? CONTENDED : Math.min(left, longest);
}
