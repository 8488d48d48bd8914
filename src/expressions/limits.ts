// What an expression may cost. Read by the files beside this one.

export const LIMITS = {
  /** Characters of an expression. */
  text: 10_000,
  /** Milliseconds on the main thread, after which it goes on in a thread of its own. */
  here: 20,
  /** Milliseconds of one evaluation. */
  time: 1_000,
  /** Calls within calls, as jsonata counts them: a function that calls itself takes about three. */
  depth: 1_000,
  /** Elements of a list that it makes. */
  sequence: 100_000,
  /** Characters of the JSON that it gives. */
  output: 1024 * 1024,
  /** Levels of it. */
  levels: 1_000,
  /** MiB that it may use while it runs in a thread. */
  memory: 128,
} as const;
