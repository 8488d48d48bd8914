// Cron expressions in words.
import { expect, test } from 'vitest';
import { describeCron } from '../../../src/triggers/describe.ts';

test.each([
  ['30 2 * * 1-5', 'At 02:30, Monday through Friday'],
  ['*/10 * * * * *', 'Every 10 seconds'],
  ['@hourly', 'Every hour'],
  ['0 0 * * FRI#2', 'At 00:00, on the second Friday of the month'],
  ['0 0 * * 5#L', 'At 00:00, on the last Friday of the month'],
  ['0 0 LW * *', 'At 00:00, on the last weekday of the month'],
])('"%s" is "%s"', async (cron, words) => {
  expect(await describeCron(cron)).toBe(words);
});
