import { expect, test } from 'vitest';
import { makeStop } from '../../../src/watcher/stop.ts';

test('a signal asked for before the stop aborts with its error', () => {
  const stop = makeStop();
  const { signal } = stop;
  expect(signal.aborted).toBe(false);
  const error = new Error('enough');
  stop.stop(error);
  expect(signal.reason).toBe(error);
  expect(stop.error).toBe(error);
});

test('a signal asked for after the stop has aborted already', () => {
  const stop = makeStop();
  stop.stop(new Error('enough'));
  expect(stop.signal.aborted).toBe(true);
  expect(stop.signal).toBe(stop.signal);
});

test('only the first stop counts', () => {
  const stop = makeStop();
  const heard: string[] = [];
  stop.onStop(({ message }) => heard.push(message));
  stop.stop(new Error('first'));
  stop.stop(new Error('second'));
  expect(heard).toEqual(['first']);
});

test('who listens after the stop hears of it at once', () => {
  const stop = makeStop();
  stop.stop(new Error('first'));
  const heard: string[] = [];
  stop.onStop(({ message }) => heard.push(message));
  expect(heard).toEqual(['first']);
});
