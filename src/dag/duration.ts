// Durations as people write them: a number of milliseconds, or `500ms`, `3s`, `5m`, `2h`, `1d`.
// Used by the settings and by every place where a definition names a time.

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** What a duration may look like, for error messages. */
export const DURATION_FORM = 'milliseconds, or 500ms, 3s, 5m, 2h, 1d';

/**
 * Milliseconds of a duration; undefined when it is not one (a fraction, a sign, an unknown unit, too large a number).
 * Digits alone are milliseconds, as number and as text.
 */
export function parseDuration(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  if (typeof value !== 'string') return undefined;
  const match = /^(\d+)(ms|s|m|h|d)?$/.exec(value.trim());
  if (!match) return undefined;
  const milliseconds = Number(match[1]) * UNITS[(match[2] ?? 'ms') as keyof typeof UNITS];
  return Number.isSafeInteger(milliseconds) ? milliseconds : undefined;
}

/** The shortest text for milliseconds that `parseDuration` reads back: 90000 → `90s`, 1500 → `1500ms`. */
export function formatDuration(milliseconds: number): string {
  const units = Object.entries(UNITS).toReversed();
  const fitting = units.find(([, size]) => milliseconds >= size && milliseconds % size === 0);
  return fitting ? `${milliseconds / fitting[1]}${fitting[0]}` : `${milliseconds}ms`;
}
