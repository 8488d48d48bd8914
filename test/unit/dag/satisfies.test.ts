import { expect, test } from 'vitest';
import { isSkipped, SATISFYING_REASONS, satisfies } from '../../../src/dag/satisfies.ts';
import { ExecStatus } from '../../../src/dag/vocabulary.ts';

test('finished satisfies, whatever the reason', () => {
  expect(satisfies(ExecStatus.finish, null)).toBe(true);
  expect(satisfies(ExecStatus.finish, 'operator')).toBe(true);
});

test.each(['wait', 'running', 'suspend'] as const)('%s never satisfies', (status) => {
  expect(satisfies(ExecStatus[status], null)).toBe(false);
  for (const reason of SATISFYING_REASONS) expect(satisfies(ExecStatus[status], reason)).toBe(false);
});

test.each([null, 'operator', 'allowed_failure', 'not_selected', 'skipped', 'caught', 'handled'])(
  'ignored with reason %s satisfies',
  (reason) => {
    expect(satisfies(ExecStatus.ignore, reason)).toBe(true);
  },
);

test.each(['aborted', 'failed', ''])('ignored with reason "%s" does not satisfy', (reason) => {
  expect(satisfies(ExecStatus.ignore, reason)).toBe(false);
});

test('only what was ignored as skipped is skipped', () => {
  expect(isSkipped(ExecStatus.ignore, 'skipped')).toBe(true);
  expect(isSkipped(ExecStatus.ignore, 'not_selected')).toBe(false);
  expect(isSkipped(ExecStatus.ignore, null)).toBe(false);
  expect(isSkipped(ExecStatus.finish, 'skipped')).toBe(false);
});
