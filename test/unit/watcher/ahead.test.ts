import { expect, test } from 'vitest';
import { makeAhead } from '../../../src/watcher/ahead.ts';

test('claims nothing ahead before a program has ended', () => {
  expect(makeAhead().size(10)).toBe(0);
});

test('claims as many as begin within ten milliseconds, and no more than a thousand', () => {
  const ahead = makeAhead();
  ahead.learn(1);
  expect(ahead.size(10)).toBe(100);
  expect(ahead.size(1)).toBe(10);
  const instant = makeAhead();
  instant.learn(0);
  expect(instant.size(10)).toBe(1_000);
});

test('claims nothing ahead of programs that take long, and learns it within tens of tasks', () => {
  const ahead = makeAhead();
  ahead.learn(0.1);
  for (let at = 0; at < 60; at += 1) ahead.learn(1_000);
  expect(ahead.size(10)).toBe(0);
});

test('starts over when what was claimed ahead had to wait', () => {
  const ahead = makeAhead();
  ahead.learn(0.1);
  ahead.forget();
  expect(ahead.size(10)).toBe(0);
  ahead.learn(2);
  expect(ahead.size(10)).toBe(50);
});
