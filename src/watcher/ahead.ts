// How many tasks to claim beyond the free slots: as many as will begin within about ten milliseconds, going by how long programs take.

export interface Ahead {
  /** Learns that a program took `ms`. */
  learn(ms: number): void;
  /** Tasks to hold beyond `workers`. */
  size(workers: number): number;
  /** What was claimed ahead had to wait: nothing is claimed ahead until another program has ended. */
  forget(): void;
}

const WINDOW = 10;
const MOST = 1_000;
// The weight of one program in the running mean: a change of load shows after some tens of tasks.
const WEIGHT = 0.05;

export function makeAhead(): Ahead {
  // Until something has run, nothing is claimed ahead.
  let mean = Infinity;
  return {
    learn(ms) {
      mean = mean === Infinity ? ms : mean + (ms - mean) * WEIGHT;
    },
    forget() {
      mean = Infinity;
    },
    size: (workers) => Math.min(MOST, Math.floor((workers * WINDOW) / Math.max(mean, 0.001))),
  };
}
