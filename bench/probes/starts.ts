// Waiting for the start of a task, wherever it runs. Used by the latency and priority shapes. Times are nanoseconds of the
// machine's monotonic clock, which all its processes share.

export interface Starts {
  note: (execution: string, at: bigint) => void;
  /** When the execution's first task began; waits for it. */
  first: (execution: string) => Promise<bigint>;
}

const LIMIT_MS = 30_000;

export function makeStarts(): Starts {
  const noted = new Map<string, bigint>();
  const waiting = new Map<string, (at: bigint) => void>();
  return {
    note(execution, at) {
      const resolve = waiting.get(execution);
      if (resolve) {
        waiting.delete(execution);
        resolve(at);
      } else if (!noted.has(execution)) noted.set(execution, at);
    },
    first(execution) {
      const at = noted.get(execution);
      noted.delete(execution);
      if (at !== undefined) return Promise.resolve(at);
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`${execution} does not start`)), LIMIT_MS);
        waiting.set(execution, (began) => {
          clearTimeout(timer);
          resolve(began);
        });
      });
    },
  };
}

/** Milliseconds from one time to another. */
export function millisecondsBetween(from: bigint, to: bigint): number {
  return Number(to - from) / 1e6;
}
