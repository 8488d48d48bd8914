import { expect, test } from 'vitest';
import { satisfies } from '../../../src/dag/satisfies.ts';
import { ExecStatus } from '../../../src/dag/vocabulary.ts';

test('finished satisfies, whatever the reason', () => {
  expect(satisfies(ExecStatus.finish, null)).toBe(true);
  expect(satisfies(ExecStatus.finish, 'operator')).toBe(true);
});

test.each(['wait', 'running', 'suspend'] as const)('%s never satisfies', (status) => {
  for (const reason of [null, 'operator', 'failed', 'skipped'])
    expect(satisfies(ExecStatus[status], reason)).toBe(false);
});

test.each([
  null,
  'operator',
  'allowed_failure',
  'not_selected',
  'skipped',
  'caught',
  'handled',
  'my own reason',
])('ignored with reason %s satisfies', (reason) => {
  expect(satisfies(ExecStatus.ignore, reason)).toBe(true);
});

test('aborted does not satisfy', () => {
  expect(satisfies(ExecStatus.ignore, 'aborted')).toBe(false);
});
