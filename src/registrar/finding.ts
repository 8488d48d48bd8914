// What `umbel doctor` says: one finding a thing that is not as it should be, always with what to do.

/** `problem`: work is or will be held up. `note`: worth knowing. */
export interface Finding {
  level: 'problem' | 'note';
  /** The check that found it. */
  check: string;
  what: string;
  remedy: string;
}

/** `90` → `90 s`, `7200` → `2 h`. */
export function formatAge(seconds: number): string {
  const units = [
    [86_400, 'days'],
    [3_600, 'h'],
    [60, 'min'],
  ] as const;
  const [size, unit] = units.find(([size]) => seconds >= 2 * size) ?? [1, 's'];
  return `${Math.floor(seconds / size)} ${unit}`;
}

/** The first of many, and how many more there are. */
export function listSome(names: string[], most = 5): string {
  const shown = names.slice(0, most).join(', ');
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}
