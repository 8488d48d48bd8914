// Medians and percentiles of what was measured.
import type { Figures } from './shape.ts';

/** The value below which that share of the values lies; NaN for none. */
function percentile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN;
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle] ?? NaN;
  return ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}

/** p50, p99 and the worst of some latencies, under names that begin with `name`. */
export function describeLatencies(name: string, values: number[]): Figures {
  return {
    [`${name}P50Ms`]: percentile(values, 0.5),
    [`${name}P99Ms`]: percentile(values, 0.99),
    [`${name}WorstMs`]: percentile(values, 1),
  };
}

/** Each figure's median over the rounds. */
export function medianFigures(rounds: Figures[]): Figures {
  const names = [...new Set(rounds.flatMap((figures) => Object.keys(figures)))];
  return Object.fromEntries(
    names.map((name) => [name, median(rounds.flatMap((figures) => figures[name] ?? []))]),
  );
}
