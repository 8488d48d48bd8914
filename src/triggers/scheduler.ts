// The scheduler of a process: sleeps until the next schedule is due, and fires what is. Any number of them work on one database.
// Made and stopped by cmd/.
import type { Logger } from '../log.ts';
import type { ManyRegistrar } from '../registrar/register-many.ts';
import type { Database } from '../sql/database.ts';
import { keepListening } from '../sql/ears.ts';
import { isUnreachable } from '../sql/failures.ts';
import { type Agenda, listSoonDue, readAgenda } from '../sql/schedules.ts';
import { makeWaker } from '../sql/waker.ts';
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
const AHEAD = 10_000;
const WARMED = 10_000;
const FAILED_PAUSE = 1_000;

export function makeScheduler(options: SchedulerOptions): Scheduler {
  const { db, url, log, pollInterval } = options;
  const waker = makeWaker();
  let stopped = false;
  let running = Promise.resolve();
  let deaf = () => Promise.resolve();

  async function run(): Promise<void> {
    while (!stopped) {
      try {
        if (await act(options)) continue;
        await waker.sleep(await prepare(options));
      } catch (error) {
        if (isUnreachable(error)) log.debug({ err: error }, 'scheduling put off: the database is away');
        else log.error({ err: error }, 'scheduling failed; trying again');
        await waker.sleep(FAILED_PAUSE);
      }
    }
  }

  return {
    start() {
      deaf = keepListening(url, (hint) => 'schedules' in hint && waker.wake(), waker.wake, log);
      running = run();
      log.info('scheduling');
    },
    async stop() {
      stopped = true;
      waker.wake();
      await running;
      await deaf();
    },
  };
}

/** A turn, and what it asks for. Answers whether there may be more to do at once. */
async function act({ db, registrar, log, onTurn }: SchedulerOptions): Promise<boolean> {
  const turn = await runTurn({ db, registrar });
  if (turn.taken > 0) onTurn?.(turn);
  for (const cancel of turn.cancels) {
    await cancelRunning(db, cancel);
    log.info({ ...cancel }, 'cancelled executions: the next time of their schedule came');
  }
  for (const { flow, slot, decision, reason } of turn.fires)
    if (decision === 'failed') log.warn({ flow, slot, reason }, 'a schedule could not start its flow');
  return turn.taken > 0;
}

/** Reads ahead what will soon be needed, and answers how long there is nothing to do. */
async function prepare({ db, registrar, pollInterval }: SchedulerOptions): Promise<number> {
  const before = pauseOf(await readAgenda(db), pollInterval);
  if (before <= CONTENDED) return before;
  await registrar.warm(await listSoonDue(db, AHEAD, WARMED));
  return pauseOf(await readAgenda(db), pollInterval);
}

function pauseOf({ now, due, waits }: Agenda, pollInterval: number): number {
  const poll = pollInterval * (0.75 + Math.random() * 0.25);
  const longest = waits ? Math.min(poll, QUEUE_POLL) : poll;
  if (due === null) return longest;
  const left = due.getTime() - now.getTime();
  return left <= 0 ? CONTENDED : Math.min(left, longest);
}
