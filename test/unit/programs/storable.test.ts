import { expect, test } from 'vitest';
import { isTooDeep, shorten, storableJson, storableText } from '../../../src/programs/storable.ts';

test('replaces what a text column cannot hold', () => {
  expect(storableText('a\0b\ud800c😀')).toBe('a\ufffdb\ufffdc😀');
});

test('replaces the same in every text of a JSON value, keys included', () => {
  expect(storableJson({ 'k\0': ['\udfff', { x: '😀 é' }] })).toEqual({
    'k\ufffd': ['\ufffd', { x: '😀 é' }],
  });
});

test('leaves text alone that only spells an escape', () => {
  const spelled = ['\\u0000', '\\\\u0000', 'C:\\ud800'];
  expect(storableJson(spelled)).toBe(spelled);
});

test('sees an escape behind an escaped backslash', () => {
  expect(storableJson('\\\0')).toBe('\\\ufffd');
});

test('shortens long text and says how much is missing', () => {
  expect(shorten('abcdef', 6)).toBe('abcdef');
  expect(shorten('abcdefg', 6)).toBe('abcdef… (1 more characters)');
});

test('does not leave half a character at the cut', () => {
  expect(shorten('a😀b', 2).isWellFormed()).toBe(true);
});

test('measures nesting, not brackets inside text', () => {
  const nest = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
  expect(isTooDeep(nest(10), 10)).toBe(false);
  expect(isTooDeep(nest(11), 10)).toBe(true);
  expect(isTooDeep(JSON.stringify(['[[[[[[[[[[[[[{{{{{{{"\\', '[[[[[[[[[[[['], null, 1), 10)).toBe(false);
  expect(isTooDeep(`[${Array(50).fill('[]').join(',')}]`, 10)).toBe(false);
});
