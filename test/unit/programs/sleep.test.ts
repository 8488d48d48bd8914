import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { sleep } from '../../../src/programs/sleep.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function watch(promise: Promise<void>): { state: string } {
  const watched = { state: 'asleep' };
  void promise.then(
    () => (watched.state = 'awake'),
    (error: Error) => (watched.state = error.message),
  );
  return watched;
}

test('wakes when the time is over and not before', async () => {
  const watched = watch(sleep(3000, new AbortController().signal));
  await vi.advanceTimersByTimeAsync(2999);
  expect(watched.state).toBe('asleep');
  await vi.advanceTimersByTimeAsync(1);
  expect(watched.state).toBe('awake');
});

test('does not sleep at all for 0 or less', async () => {
  await sleep(0, new AbortController().signal);
  await sleep(-5000, new AbortController().signal);
  expect(vi.getTimerCount()).toBe(0);
});

test('ends with the reason as soon as the signal aborts, leaving no timer', async () => {
  const controller = new AbortController();
  const watched = watch(sleep(3000, controller.signal));
  controller.abort(new Error('stopped by the operator'));
  await vi.advanceTimersByTimeAsync(0);
  expect(watched.state).toBe('stopped by the operator');
  expect(vi.getTimerCount()).toBe(0);
});

test('does not begin when the signal has aborted before', async () => {
  await expect(sleep(3000, AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late');
});

test('sleeps longer than one timer can', async () => {
  const days40 = 40 * 86_400_000;
  const watched = watch(sleep(days40, new AbortController().signal));
  await vi.advanceTimersByTimeAsync(days40 - 1);
  expect(watched.state).toBe('asleep');
  await vi.advanceTimersByTimeAsync(1);
  expect(watched.state).toBe('awake');
});
