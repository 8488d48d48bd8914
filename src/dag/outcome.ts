// How one attempt of a task ended. A closed union: settling is one exhaustive switch over it.
import type { Json } from './vocabulary.ts';

/** The error of a task as stored in `kr_task_stat.error`. */
export interface TaskError {
  /** `ProgramError`, `TimeoutError`, `UnknownProgramError`, … or the name of the error that the program threw. */
  name: string;
  message: string;
  details?: Json;
  stack?: string;
}

/** What a task at Suspend waits for outside; `kind` is the `reason` of its row. */
export interface Wait {
  kind: 'signal' | 'callback' | 'sub_execution';
  /** Of a callback what it answers with, of a sub_execution its id; absent: nobody needs it. */
  token?: string;
  /** Of the signal. */
  name?: string;
  /** Of a callback: milliseconds without a sign of life after which it is over. */
  beat?: number;
  /** Delivered when the time is over; absent: a TimeoutError. */
  default?: Json;
}

/** What came, as `kr_task_stat.delivered` has it: a value, or an error that fails the task. */
export interface Delivered {
  kind: Wait['kind'];
  /** That ended; prepare.ts puts what came of it in its place. */
  execution?: string;
  value?: Json;
  error?: TaskError;
  /** Who sent the signal. */
  by?: string | null;
  comment?: string | null;
  /** When, ISO 8601. */
  at?: string;
  /** The time was over, and this is the default. */
  timedOut?: boolean;
}

export type Outcome =
  | { kind: 'finished'; result: Json }
  /** Ignore: its condition (`when`) does not hold. */
  | { kind: 'skipped' }
  /** Suspend: nothing more is tried. */
  | { kind: 'failed'; error: TaskError }
  /** Ignore: the step allows failure, its dependants go on. */
  | { kind: 'ignored'; error: TaskError }
  /** Wait, and then another attempt; `delay` in milliseconds. */
  | { kind: 'retry'; error: TaskError; delay: number }
  /** Wait, asked for by the program itself or until the fallback begins; the checkpoint is there on the next attempt. */
  | { kind: 'sleep'; delay: number; checkpoint: Json; error?: TaskError }
  /** Suspend, until something comes from outside or `timeout` milliseconds are over. */
  | { kind: 'wait'; wait: Wait; timeout: number | null; checkpoint: Json };
