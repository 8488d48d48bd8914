import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatDuration, parseDuration } from '../../../src/dag/duration.ts';

test.each([
  [0, 0],
  [250, 250],
  ['250', 250],
  ['500ms', 500],
  ['3s', 3_000],
  ['5m', 300_000],
  ['2h', 7_200_000],
  ['1d', 86_400_000],
  [' 3s ', 3_000],
])('reads %j as %i ms', (value, milliseconds) => {
  expect(parseDuration(value)).toBe(milliseconds);
});

test.each([
  '',
  's',
  '3 s',
  '1.5s',
  '-1s',
  '3w',
  '3S',
  '1e3',
  '99999999999999999999',
  -1,
  1.5,
  Number.NaN,
  null,
  undefined,
  true,
  {},
])('refuses %j', (value) => {
  expect(parseDuration(value)).toBeUndefined();
});

test('reads back whatever it writes', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (milliseconds) => {
      expect(parseDuration(formatDuration(milliseconds))).toBe(milliseconds);
    }),
  );
});

test('writes the largest unit that fits', () => {
  expect([0, 1500, 90_000, 3_600_000, 86_400_000].map(formatDuration)).toEqual([
    '0ms',
    '1500ms',
    '90s',
    '1h',
    '1d',
  ]);
});
