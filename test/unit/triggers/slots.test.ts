// When a cron expression fires in a zone, against a model that watches the clock minute by minute.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findSlots } from '../../../src/triggers/slots.ts';
import { crons, fireByWatching, watchClock } from '../../support/cron-model.ts';

const DAY = 86_400_000;

/** Slots after one instant, up to another. */
function list(cron: string, timezone: string, from: number, to: number): number[] {
  const { next } = findSlots(cron, timezone);
  const found: number[] = [];
  for (let at = next(from); at !== null && at <= to; at = next(at)) found.push(at);
  return found;
}

const show = (instants: number[]) => instants.map((at) => new Date(at).toISOString().slice(0, 16));
const between = (cron: string, timezone: string, from: string, to: string) =>
  show(list(cron, timezone, Date.parse(from), Date.parse(to)));

// Zones with an instant at which each set its clock: forward and back, by half an hour, over the date line, for good.
const TRANSITIONS: [string, string][] = [
  ['Europe/Berlin', '2026-03-29T01:00Z'],
  ['Europe/Berlin', '2026-10-25T01:00Z'],
  ['America/New_York', '2026-03-08T07:00Z'],
  ['America/New_York', '2026-11-01T06:00Z'],
  ['Australia/Lord_Howe', '2026-04-04T15:00Z'],
  ['Australia/Lord_Howe', '2026-10-03T15:30Z'],
  ['Pacific/Apia', '2011-12-30T10:00Z'],
  ['Pacific/Kwajalein', '1993-08-21T12:00Z'],
  ['Africa/Cairo', '2026-04-23T22:00Z'],
  ['America/Caracas', '2016-05-01T07:00Z'],
  ['Asia/Pyongyang', '2015-08-14T15:00Z'],
  ['America/Havana', '2026-03-08T05:00Z'],
  ['America/Havana', '2026-11-01T05:00Z'],
  ['Asia/Kolkata', '2026-06-01T00:00Z'],
  ['Europe/Dublin', '2027-01-01T00:00Z'],
  ['Atlantic/Azores', '1999-03-28T01:00Z'],
  ['Antarctica/Troll', '2026-03-29T01:00Z'],
  ['+05:30', '2026-06-01T00:00Z'],
];

describe('slots of a cron expression', () => {
  const clocks = new Map(
    TRANSITIONS.map(([timezone, at]) => {
      const [from, to] = [Date.parse(at) - 2 * DAY, Date.parse(at) + 2 * DAY];
      return [`${timezone} ${at}`, { timezone, from, to, clock: watchClock(timezone, from, to) }];
    }),
  );
  const transition = fc.constantFrom(...clocks.keys());

  test('are those of a model that watches the clock minute by minute, in every zone around its transitions', () => {
    const matches = fc.property(crons, transition, (cron, name) => {
      const { timezone, from, to, clock } = clocks.get(name)!;
      expect(show(list(cron.text, timezone, from, to))).toEqual(show(fireByWatching(cron, clock)));
    });
    fc.assert(matches, { numRuns: 500 });
  }, 60_000);

  test('are the same from wherever they are looked for', () => {
    const offset = fc.integer({ min: 0, max: 4 * DAY });
    const agrees = fc.property(crons, transition, offset, (cron, name, offset) => {
      const { timezone, from, to } = clocks.get(name)!;
      const all = list(cron.text, timezone, from, to);
      expect(list(cron.text, timezone, from + offset, to)).toEqual(all.filter((at) => at > from + offset));
    });
    fc.assert(agrees, { numRuns: 200 });
  }, 60_000);

  test('are on the days of the model, for years', () => {
    const from = Date.parse('2023-12-31T23:59Z');
    const to = Date.parse('2028-12-31T23:59Z');
    const days: number[] = [];
    for (let day = from + 60_000; day <= to; day += DAY) days.push(day);
    const matches = fc.property(crons, ({ text, fitsDay }) => {
      const midnight = text.replace(/^\S+ \S+/, '0 0');
      expect(show(list(midnight, 'UTC', from, to))).toEqual(show(days.filter(fitsDay)));
    });
    fc.assert(matches, { numRuns: 300 });
  }, 60_000);

  test('fire right after the gap when their time is skipped, once', () => {
    expect(between('30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00Z', '2026-03-30T12:00Z')).toEqual([
      '2026-03-29T01:00',
      '2026-03-30T00:30',
    ]);
    expect(between('*/15 2 * * *', 'America/New_York', '2026-03-08T00:00Z', '2026-03-08T23:00Z')).toEqual([
      '2026-03-08T07:00',
    ]);
  });

  test('fire the first time when their time occurs twice', () => {
    expect(between('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00Z', '2026-10-26T12:00Z')).toEqual([
      '2026-10-25T00:30',
      '2026-10-26T01:30',
    ]);
    expect(between('0 * * * *', 'America/New_York', '2026-11-01T04:30Z', '2026-11-01T07:30Z')).toEqual([
      '2026-11-01T05:00',
      '2026-11-01T07:00',
    ]);
  });

  test('fire on a day that a zone left out as soon as the next one begins', () => {
    expect(between('0 12 30 12 *', 'Pacific/Apia', '2011-12-01T00:00Z', '2012-01-31T00:00Z')).toEqual([
      '2011-12-30T10:00',
    ]);
  });

  test('may be seconds apart', () => {
    const { next } = findSlots('*/20 * * * * *', 'UTC');
    expect(next(Date.parse('2026-01-01T00:00:59.999Z'))).toBe(Date.parse('2026-01-01T00:01:00Z'));
    expect(next(Date.parse('2026-01-01T00:01:00Z'))).toBe(Date.parse('2026-01-01T00:01:20Z'));
  });

  test('are shown with their local time and its offset', () => {
    const { localTime } = findSlots('0 0 * * *', 'America/New_York');
    expect(localTime(Date.parse('2026-07-01T04:00:00Z'))).toBe('2026-07-01T00:00:00-04:00');
    expect(findSlots('0 0 * * *', 'Asia/Kolkata').localTime(0)).toBe('1970-01-01T05:30:00+05:30');
  });
});
