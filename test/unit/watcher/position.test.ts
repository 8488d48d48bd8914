import { expect, test } from 'vitest';
import { HEAD, NOTHING_READY, type AdvanceAnswer, type Claimed } from '../../../src/sql/advance.ts';
import { makeClaimPosition } from '../../../src/watcher/position.ts';

const task = (priority: number, flow: string, handedOver = false) =>
  ({ priority, flow, handedOver }) as Claimed;

const answer = (claimed: Claimed[], mostUrgent?: number): AdvanceAnswer => ({
  claimed,
  late: [],
  freedPlaces: [],
  ...(mostUrgent === undefined ? {} : { mostUrgent }),
});

test('begins at the head, goes on from where a full claim ended, and looks at the head again after a while', () => {
  const position = makeClaimPosition();
  expect(position.next(0)).toEqual({ from: HEAD, urgent: NOTHING_READY });
  const full = answer([task(0, 'a'), task(0, 'b'), task(-5, 'z', true)], 0);
  expect(position.learn({ from: HEAD, want: 3, most: 100, began: 0, now: 1 }, full)).toBe(false);
  expect(position.next(5)).toEqual({ from: { priority: 0, flow: 'b' }, urgent: 0 });
  expect(position.next(11)).toEqual({ from: HEAD, urgent: 0 });
});

test('looks the less often the longer a look takes', () => {
  const position = makeClaimPosition();
  position.learn({ from: HEAD, want: 1, most: 100, began: 0, now: 100 }, answer([task(0, 'a')], 0));
  expect(position.next(1_000).from).toEqual({ priority: 0, flow: 'a' });
  expect(position.next(1_100).from).toBe(HEAD);
});

test('nothing is left only when a look at the head found less than was wanted', () => {
  const position = makeClaimPosition();
  position.learn({ from: HEAD, want: 1, most: 100, began: 0, now: 1 }, answer([task(3, 'a')], 3));
  const { from } = position.next(2);
  expect(position.learn({ from, want: 2, most: 100, began: 2, now: 3 }, answer([task(3, 'b')]))).toBe(false);
  expect(position.next(4).from).toBe(HEAD);
  expect(
    position.learn({ from: HEAD, want: 2, most: 100, began: 4, now: 5 }, answer([], NOTHING_READY)),
  ).toBe(true);
});

test('a call is full with all that it was to bring at most, what was handed over apart', () => {
  const position = makeClaimPosition();
  const one = answer([task(-5, 'z', true), task(0, 'a')], 0);
  expect(position.learn({ from: HEAD, want: 10, most: 2, began: 0, now: 1 }, one)).toBe(false);
  expect(position.next(2).from).toEqual({ priority: 0, flow: 'a' });
});

test('a hint of something more urgent than what was left behind is looked for at once, another is not', () => {
  const position = makeClaimPosition();
  expect(position.hint(-20)).toBe(false);
  position.learn({ from: HEAD, want: 1, most: 100, began: 0, now: 1 }, answer([task(0, 'a')], 0));
  expect(position.hint(5)).toBe(false);
  expect(position.next(2)).toEqual({ from: { priority: 0, flow: 'a' }, urgent: 0 });
  expect(position.hint(-1)).toBe(true);
  expect(position.next(3)).toEqual({ from: HEAD, urgent: -1 });
});

test('a call that only recorded does not take the position back to where it was when it was sent', () => {
  const position = makeClaimPosition();
  position.learn({ from: HEAD, want: 1, most: 100, began: 0, now: 1 }, answer([task(0, 'a')], 0));
  const sent = position.next(2).from;
  position.learn({ from: sent, want: 1, most: 100, began: 2, now: 3 }, answer([task(0, 'm')]));
  const recorded = answer([task(0, 'c', true)]);
  expect(position.learn({ from: sent, want: 5, most: 0, began: 2, now: 4 }, recorded)).toBe(false);
  expect(position.next(5).from).toEqual({ priority: 0, flow: 'm' });
});
