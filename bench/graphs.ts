// The graphs that executions have: for each step, the numbers (from 1) of its predecessors.

export type Graph = number[][];

export const FLAT: Graph = [[]];

export function chain(length: number): Graph {
  return Array.from({ length }, (_, i) => (i === 0 ? [] : [i]));
}

/** One step, then `width` of them, then one that waits for all. */
export function fan(width: number): Graph {
  const middle = numbersFrom(2, width);
  return [[], ...middle.map(() => [1]), middle];
}

/** Each step waits for `edges` steps of the layer before it; `edges` = `width` joins all with all. */
export function layers(count: number, width: number, edges: number): Graph {
  return Array.from({ length: count * width }, (_, i) => {
    const layer = Math.floor(i / width);
    if (layer === 0) return [];
    const before = (layer - 1) * width + 1;
    return sorted(
      numbersFrom(0, edges).map((edge) => before + ((i + edge * strideOf(width, edges)) % width)),
    );
  });
}

/** `size` steps, each after up to `edges` earlier ones chosen at random, the same for the same seed. */
export function random(size: number, edges: number, seed = 1): Graph {
  const next = randomNumbers(seed);
  return Array.from({ length: size }, (_, i) => {
    const chosen = numbersFrom(0, Math.min(edges, i)).map(() => 1 + Math.floor(next() * i));
    return sorted([...new Set(chosen)]);
  });
}

// Far apart when there are few edges, every neighbour when there are all.
function strideOf(width: number, edges: number): number {
  return edges === width ? 1 : Math.max(1, Math.floor(width / (edges + 1)));
}

function numbersFrom(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

function sorted(numbers: number[]): number[] {
  return numbers.toSorted((a, b) => a - b);
}

/** mulberry32: numbers in [0, 1). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
