// Which cron expressions and time zones a definition may have, and what is said of the others.
import { describe, expect, test } from 'vitest';
import { findCronProblem, findTimezoneProblem } from '../../../src/registrar/definition/cron.ts';

describe('cron expressions', () => {
  test.each([
    '* * * * *',
    '*/5 * * * * *',
    '0 8-18/2 * * MON-FRI',
    '0 0 1,15 JAN,JUL ?',
    '0 0 ? * 7',
    '0 0 * * SUN',
    '0 0 L * *',
    '0 0 LW * *',
    '0 0 15W * *',
    '0 0 * * 5L',
    '0 0 * * FRI#2',
    '0 0 29 2 *',
    '@hourly',
    '@Daily',
    '@midnight',
    '@weekly',
    '@monthly',
    '@yearly',
    '@annually',
    '  0   0  * * * ',
  ])('takes "%s"', (cron) => {
    expect(findCronProblem(cron)).toBeUndefined();
  });

  test.each([
    ['', 'It has 0 fields'],
    ['* * *', 'It has 3 fields; it needs 5 or 6'],
    ['* * * * * * *', 'It has 7 fields'],
    ['60 * * * *', 'Invalid value for minute: 60.'],
    ['0 24 * * *', 'Invalid value for hour: 24.'],
    ['0 0 0 * *', 'Invalid value for day: 0.'],
    ['0 0 32 * *', 'Invalid value for day: 32.'],
    ['0 0 * 13 *', 'Invalid value for month: 13.'],
    ['0 0 * * 8', 'Invalid value for dayOfWeek: 8.'],
    ['5-1 * * * *', 'larger'],
    ['*/0 * * * *', 'Illegal stepping'],
    ['nonsense * * * *', 'illegal characters'],
    ['0 0 * * MON#6', '1-5'],
    ['0 0 1 * +MON', '"+"'],
    ['@reboot', '"@reboot" is not known (known: @yearly'],
    ['@fortnightly', 'is not known'],
    ['0 0 31 2 *', '"0 0 31 2 *" never fires'],
    ['0 0 30 2 *', 'never fires'],
    ['0 0 31 4,6,9,11 *', 'never fires'],
    ['0 0 31W 2 *', 'never fires'],
  ])('refuses "%s" and says why', (cron, reason) => {
    const problem = findCronProblem(cron);
    expect(problem).toMatch(/^Invalid cron expression\. .+\.$/);
    expect(problem).toContain(reason);
  });

  test('takes a day that does not exist when a day of the week is given besides', () => {
    expect(findCronProblem('0 0 31 2 MON')).toBeUndefined();
  });
});

describe('time zones', () => {
  test.each(['UTC', 'Europe/Berlin', 'Asia/Calcutta', 'Etc/GMT+5', '+05:30'])('takes %s', (zone) => {
    expect(findTimezoneProblem(zone)).toBeUndefined();
  });

  test.each(['', 'Mars/Olympus', 'Europe/Berlin '])('refuses "%s"', (zone) => {
    expect(findTimezoneProblem(zone)).toContain('is not a time zone');
  });
});
