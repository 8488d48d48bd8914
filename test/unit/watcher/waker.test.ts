import { expect, test } from 'vitest';
import { makeWaker } from '../../../src/sql/waker.ts';

const HOUR = 3_600_000;

test('a sleep ends when it is woken, and tells so', async () => {
  const waker = makeWaker();
  const sleep = waker.sleep(HOUR);
  waker.wake();
  expect(await sleep).toBe(false);
});

test('a wake before the sleep is not lost, and counts for one sleep', async () => {
  const waker = makeWaker();
  waker.wake();
  waker.wake();
  expect(await waker.sleep(HOUR)).toBe(false);
  expect(await waker.sleep(1)).toBe(true);
});

test('a sleep that nobody ends is over after its time', async () => {
  expect(await makeWaker().sleep(1)).toBe(true);
});
