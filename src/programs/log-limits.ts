// How much of what a program logs is kept. Used by watcher/task-log.ts, and by the threads of isolated programs, which send no more than that.

/** Of one attempt: lines, and characters of them all. */
export const LOG_LINES = 10_000;
export const LOG_SIZE = 1024 * 1024;

/** Characters of a line's message, and of its fields as JSON. */
export const LINE_SIZE = 8 * 1024;

/** What stands last in a log that was cut off. */
export function describeOmitted(lines: number): string {
  const what = lines === 1 ? '1 more line was' : `${lines} more lines were`;
  return `${what} not kept: an attempt keeps at most ${LOG_LINES} lines and 1 MiB`;
}
