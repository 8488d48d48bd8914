// How figures are held against bars: a figure, or the ratio of two, and what it must reach. Used by bars.ts and results.ts.

/** Gives the median of a case's figure, or undefined when it was not measured. */
export type Find = (shape: string, name: string, figure: string) => number | undefined;

export interface Bar {
  shape: string;
  /** What is compared with what. */
  text: string;
  unit: '×' | 'ms' | 'tasks/s' | 'requests/s' | '%' | 'MB' | '';
  value: (find: Find) => number | undefined;
  atLeast?: number;
  atMost?: number;
}

export interface Judged {
  shape: string;
  text: string;
  unit: string;
  bar: string;
  value: number | null;
  /** null: not measured. */
  met: boolean | null;
}

export function judgeBars(bars: Bar[], find: Find): Judged[] {
  return bars.map(({ shape, text, unit, value, atLeast, atMost }) => {
    const measured = value(find) ?? null;
    const met =
      measured === null ? null : measured >= (atLeast ?? -Infinity) && measured <= (atMost ?? Infinity);
    const bar = atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`;
    return { shape, text, unit, bar, value: measured, met };
  });
}

export type Place = [shape: string, name: string, figure: string];

export const valueOf =
  (...place: Place) =>
  (find: Find) =>
    find(...place);

export const ratioOf = (upper: Place, lower: Place) => (find: Find) => {
  const [a, b] = [find(...upper), find(...lower)];
  return a === undefined || b === undefined || b === 0 ? undefined : a / b;
};
