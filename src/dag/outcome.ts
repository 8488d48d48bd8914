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
  /** Wait, asked for by the program itself; the checkpoint is there on the next attempt. */
  | { kind: 'sleep'; delay: number; checkpoint: Json };
