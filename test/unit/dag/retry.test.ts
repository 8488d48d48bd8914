import { describe, expect, it } from 'vitest';
import { nextRetry, readRetryPolicy } from '../../../src/dag/retry.ts';

const failure = { name: 'HttpError', retryable: true };

describe('readRetryPolicy', () => {
  it('takes a number for the limit and defaults for the rest', () => {
    expect(readRetryPolicy(3)).toEqual({
      limit: 3,
      delay: 1000,
      factor: 2,
      maxDelay: 60_000,
      jitter: 'full',
      on: ['*'],
      notOn: [],
    });
  });

  it('reads durations as text', () => {
    expect(readRetryPolicy({ limit: 1, delay: '2s', maxDelay: '1h' })).toMatchObject({
      delay: 2000,
      maxDelay: 3_600_000,
    });
  });

  it('retries nothing unless told to', () => {
    expect(readRetryPolicy(undefined).limit).toBe(0);
  });
});

describe('nextRetry', () => {
  const policy = readRetryPolicy({ limit: 3, delay: 100, factor: 3, maxDelay: 500, jitter: 'none' });

  it('grows by the factor up to the longest delay', () => {
    expect([0, 1, 2].map((retried) => nextRetry(policy, retried, failure, 0.5))).toEqual([100, 300, 500]);
  });

  it('ends after the limit', () => {
    expect(nextRetry(policy, 3, failure, 0)).toBeUndefined();
  });

  it('spreads with full jitter over everything from 0 to the delay', () => {
    const jittered = readRetryPolicy({ limit: 3, delay: 100 });
    expect([0, 0.25, 1].map((random) => nextRetry(jittered, 0, failure, random))).toEqual([0, 25, 100]);
  });

  it('waits as long as the program asked', () => {
    expect(nextRetry(policy, 0, { ...failure, after: 7 }, 0.5)).toBe(7);
  });

  it('obeys a program that says trying again is of no use', () => {
    expect(nextRetry(policy, 0, { ...failure, retryable: false }, 0)).toBeUndefined();
  });

  it.each([
    [{ limit: 1, on: ['HttpError'] }, true],
    [{ limit: 1, on: ['TimeoutError'] }, false],
    [{ limit: 1, notOn: ['HttpError'] }, false],
    [{ limit: 1, on: ['*'], notOn: ['TimeoutError'] }, true],
    [{ limit: 1, notOn: ['*'] }, false],
  ])('matches names of errors: %o', (retry, retried) => {
    expect(nextRetry(readRetryPolicy(retry), 0, failure, 0) !== undefined).toBe(retried);
  });
});
