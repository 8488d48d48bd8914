// What an expression is found to look at, before it runs.
import { expect, test } from 'vitest';
import { parseExpression } from '../../../src/expressions/parse.ts';

function readsOf(text: string) {
  const parsed = parseExpression(text);
  if (parsed instanceof Error) throw parsed;
  const { variables, context } = parsed.reads;
  const plain = [...variables].map(([name, keys]) => [name, keys === 'all' ? keys : [...keys]]);
  return { ...Object.fromEntries(plain), ...(context ? { $: true } : {}) };
}

test.each([
  ['$steps.a.b & $steps.c', { steps: ['a', 'c'] }],
  ['$steps."a b"', { steps: ['a b'] }],
  ['$steps.`a-b`[0].c', { steps: ['a-b'] }],
  ['$steps.a-b', { steps: ['a'], $: true }],
  ['$steps.a[price > $steps.b]', { steps: ['a', 'b'], $: true }],
  ['$steps.a{id: $}', { steps: ['a'], $: true }],
  ['$steps.a^(price)', { steps: ['a'], $: true }],
  ['{"x": [$steps.a, ($steps.b).c]}', { steps: ['a', 'b'] }],
  ['$steps.a ?: $steps.b', { steps: ['a', 'b'] }],
  ['$steps.a@$x.b', { steps: ['a'] }],
  ['$secrets.token', { secrets: ['token'] }],
  ['$execution.input.x', { execution: ['input'] }],
  ['$input', { input: 'all' }],
  ['$input.a', { input: ['a'] }],
  ['$', { $: true }],
  ['$$.a', { $: true }],
  ['a.b', { $: true }],
  ['*', { $: true }],
  ['1 + 2', {}],
])('%s', (text, reads) => {
  expect(readsOf(text)).toEqual(reads);
});

test.each([
  '$steps',
  '$steps[0]',
  '$steps.*',
  '$steps.(a)',
  '$keys($steps)',
  '$lookup($steps, "a")',
  '$steps ~> $keys',
  '$steps.**.a',
  '($s := $steps; $s.a)',
])('all steps may be read: %s', (text) => {
  expect(readsOf(text)).toMatchObject({ steps: 'all' });
});

test('a way back to what a value stands in reads all of it', () => {
  expect(readsOf('$steps.a.(%.b)')).toMatchObject({ steps: 'all' });
});
