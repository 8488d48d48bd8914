// Expressions in texts: found, and replaced by what they give.
import { expect, test } from 'vitest';
import type { Json } from '../../../src/dag/vocabulary.ts';
import { fillTemplate, hasTemplate, listExpressions } from '../../../src/expressions/template.ts';

/** Every expression gives its own text, upper case, unless something else is said. */
const fill = (value: Json, given: Record<string, Json> = {}) =>
  fillTemplate(value, ({ text }) => Promise.resolve(text in given ? given[text]! : text.toUpperCase()));

test('a whole text gives any JSON', async () => {
  expect(await fill('${{ a }}', { a: { b: [1, null] } })).toEqual({ b: [1, null] });
  expect(await fill('${{a}}', { a: 5 })).toBe(5);
  expect(await fill('${{ a }}', { a: null })).toBeNull();
});

test('inside a text it is put in as text', async () => {
  expect(await fill('x ${{ a }} y ${{ b }}!', { a: 1, b: 'z' })).toBe('x 1 y z!');
  expect(await fill('${{ a }}${{ b }}', { a: true, b: null })).toBe('true');
  expect(await fill(' ${{ a }}', { a: [1, { b: 2 }] })).toBe(' [1,{"b":2}]');
});

test('at any depth, and only in values', async () => {
  const value = { '${{ k }}': 1, a: [{ b: '${{ x }}' }, 'plain', 3, null, true] };
  expect(await fill(value)).toEqual({ '${{ k }}': 1, a: [{ b: 'X' }, 'plain', 3, null, true] });
  expect(hasTemplate(value)).toBe(true);
  expect(hasTemplate({ '${{ k }}': ['$', '{{ }}'] })).toBe(false);
});

test('an expression may hold what closes one', async () => {
  const text = '${{ {"a": {"b": "}}"}} }}';
  expect(listExpressions(text)).toEqual([{ path: '', text: '{"a": {"b": "}}"}}', closed: true }]);
  expect(listExpressions('${{ {"a":{"b":1}}}}')).toEqual([{ path: '', text: '{"a":{"b":1}}', closed: true }]);
  expect(listExpressions('<${{ "${{" }}>')).toEqual([{ path: '', text: '"${{"', closed: true }]);
});

test('each is listed with its place', () => {
  expect(listExpressions({ url: 'http://${{ h }}/${{ p }}', body: [{ x: '${{ +' }] })).toEqual([
    { path: '.url', text: 'h', closed: true },
    { path: '.url', text: 'p', closed: true },
    { path: '.body[0].x', text: '+', closed: false },
  ]);
});
