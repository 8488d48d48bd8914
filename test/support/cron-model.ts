// Cron expressions as a naive model has them: random ones with what they mean, and a clock that is watched minute by minute.
// For test/unit/triggers/slots.test.ts.
import * as fc from 'fast-check';
import { findCronProblem } from '../../src/registrar/definition/cron.ts';

/** A field as text, and whether a value fits it. */
interface Field {
  text: string;
  fits: (value: number) => boolean;
}

interface DayField {
  text: string;
  /** `*` or `?`: says nothing. */
  open: boolean;
  fits: (day: Day) => boolean;
}

interface Day {
  year: number;
  month: number;
  day: number;
}

export interface ModelCron {
  text: string;
  fits: (local: number) => boolean;
  /** Whether it fires at all on the day of this local time. */
  fitsDay: (local: number) => boolean;
}

const MINUTE = 60_000;
const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT', 'SUN'];

const weekdayOf = ({ year, month, day }: Day) => new Date(Date.UTC(year, month - 1, day)).getUTCDay();
const lengthOf = ({ year, month }: Day) => new Date(Date.UTC(year, month, 0)).getUTCDate();
const isWorkday = (day: Day) => weekdayOf(day) !== 0 && weekdayOf(day) !== 6;

function part(lowest: number, highest: number, names: readonly string[] = []): fc.Arbitrary<Field> {
  const value = fc.integer({ min: lowest, max: highest });
  const write = (n: number, named: boolean) => (named && names[n - lowest]) || String(n);
  const one = fc
    .tuple(value, fc.boolean())
    .map(([n, named]) => ({ text: write(n, named), fits: (v: number) => v === n }));
  const range = fc
    .tuple(value, value, fc.boolean())
    .map(([a, b, named]) => [Math.min(a, b), Math.max(a, b), named] as const)
    .map(([a, b, named]) => ({
      text: `${write(a, named)}-${write(b, named)}`,
      fits: (v: number) => v >= a && v <= b,
    }));
  const stepped = fc
    .tuple(value, value, fc.integer({ min: 1, max: highest - lowest }))
    .map(([a, b, n]) => [Math.min(a, b), Math.max(a, b), n] as const)
    .map(([a, b, n]) => ({
      text: `${a}-${b}/${n}`,
      fits: (v: number) => v >= a && v <= b && (v - a) % n === 0,
    }));
  const everyNth = fc
    .integer({ min: 2, max: highest - lowest })
    .map((n) => ({ text: `*/${n}`, fits: (v: number) => (v - lowest) % n === 0 }));
  return fc.oneof(one, range, stepped, everyNth);
}

function field(lowest: number, highest: number, names: readonly string[] = []): fc.Arbitrary<Field> {
  const any = fc.constant({ text: '*', fits: () => true });
  const list = fc.array(part(lowest, highest, names), { minLength: 1, maxLength: 3 }).map((parts) => ({
    text: parts.map(({ text }) => text).join(','),
    fits: (v: number) => parts.some(({ fits }) => fits(v)),
  }));
  return fc.oneof(any, list);
}

const open: fc.Arbitrary<DayField> = fc
  .constantFrom('*', '?')
  .map((text) => ({ text, open: true, fits: () => true }));

/** The workday of the month that is nearest to a day, without leaving the month. */
function nearestWorkday(date: Day, wanted: number): number | undefined {
  if (wanted > lengthOf(date)) return undefined;
  const near = [0, -1, 1, -2, 2].map((distance) => wanted + distance);
  return near.find((day) => day >= 1 && day <= lengthOf(date) && isWorkday({ ...date, day }));
}

function lastWorkday(date: Day): number {
  let day = lengthOf(date);
  while (!isWorkday({ ...date, day })) day -= 1;
  return day;
}

const dayOfMonth: fc.Arbitrary<DayField> = fc.oneof(
  open,
  part(1, 31).map(({ text, fits }) => ({ text, open: false, fits: ({ day }: Day) => fits(day) })),
  fc.constant({ text: 'L', open: false, fits: (date: Day) => date.day === lengthOf(date) }),
  fc.constant({ text: 'LW', open: false, fits: (date: Day) => date.day === lastWorkday(date) }),
  fc.integer({ min: 1, max: 31 }).map((wanted) => ({
    text: `${wanted}W`,
    open: false,
    fits: (date: Day) => nearestWorkday(date, wanted) === date.day,
  })),
);

const dayOfWeek: fc.Arbitrary<DayField> = fc.oneof(
  open,
  field(0, 7, WEEKDAYS)
    .filter(({ text }) => text !== '*' && !/SUN-|-SUN/.test(text))
    .map(({ text, fits }) => ({
      text,
      open: false,
      fits: (date: Day) => fits(weekdayOf(date)) || (weekdayOf(date) === 0 && fits(7)),
    })),
  fc.tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 1, max: 5 })).map(([weekday, nth]) => ({
    text: `${weekday}#${nth}`,
    open: false,
    fits: (date: Day) => weekdayOf(date) === weekday && Math.ceil(date.day / 7) === nth,
  })),
  fc.integer({ min: 0, max: 6 }).map((weekday) => ({
    text: `${weekday}L`,
    open: false,
    fits: (date: Day) => weekdayOf(date) === weekday && date.day + 7 > lengthOf(date),
  })),
);

/** Random expressions of five fields that can fire. */
export const crons: fc.Arbitrary<ModelCron> = fc
  .tuple(field(0, 59), field(0, 23), dayOfMonth, field(1, 12, MONTHS), dayOfWeek)
  .map(([minute, hour, dom, month, dow]) => {
    const fitsDay = (local: number) => {
      const at = new Date(local);
      const date = { year: at.getUTCFullYear(), month: at.getUTCMonth() + 1, day: at.getUTCDate() };
      if (!month.fits(date.month)) return false;
      return dom.open || dow.open ? dom.fits(date) && dow.fits(date) : dom.fits(date) || dow.fits(date);
    };
    const fits = (local: number) => {
      const at = new Date(local);
      return minute.fits(at.getUTCMinutes()) && hour.fits(at.getUTCHours()) && fitsDay(local);
    };
    return { text: [minute, hour, dom, month, dow].map(({ text }) => text).join(' '), fits, fitsDay };
  })
  .filter(({ text }) => findCronProblem(text) === undefined);

/** What the clock of a zone reads at every minute of a time. */
export function watchClock(timezone: string, from: number, to: number): { at: number; local: number }[] {
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone: timezone,
    dateStyle: 'short',
    timeStyle: 'medium',
  });
  const read: { at: number; local: number }[] = [];
  for (let at = from; at <= to; at += MINUTE)
    read.push({ at, local: Date.parse(`${format.format(at).replace(' ', 'T')}Z`) });
  return read;
}

/** Fires whenever the clock reaches a fitting minute that it never read before, or jumps over one. */
export function fireByWatching(cron: ModelCron, clock: { at: number; local: number }[]): number[] {
  const fired: number[] = [];
  let highest = clock[0]!.local;
  for (const { at, local } of clock) {
    let due = false;
    for (let reached = highest + MINUTE; reached <= local; reached += MINUTE) due ||= cron.fits(reached);
    if (due) fired.push(at);
    highest = Math.max(highest, local);
  }
  return fired;
}
