import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { ERRORS, isUmbelError, messageOf, UmbelError } from '../../src/errors.ts';

test('carries code, status, details, cause and a sentence', () => {
  const cause = new Error('listen EADDRINUSE');
  const error = new UmbelError('PORT_TAKEN', { host: '127.0.0.1', port: 8000 }, { cause });
  expect(error).toMatchObject({ code: 'PORT_TAKEN', status: 500, details: { port: 8000 }, cause });
  expect(error.message).toContain('Port 8000 on 127.0.0.1 is taken');
});

test('puts one problem on the line itself and several below it', () => {
  expect(new UmbelError('CONFIG_INVALID', { problems: ['PORT: bad'] }).message).toBe(
    'Bad settings: PORT: bad',
  );
  expect(new UmbelError('CONFIG_INVALID', { problems: ['a', 'b'] }).message).toBe(
    'Bad settings:\n  - a\n  - b',
  );
});

test('names the place of each problem of a definition', () => {
  const problems = [
    { path: 'steps[2]', message: 'no program' },
    { path: '', message: 'a cycle: a → b → a' },
  ];
  expect(new UmbelError('DEFINITION_INVALID', { flow: 'nightly', problems }).message).toBe(
    'The definition of "nightly" is not valid:\n  - steps[2]: no program\n  - a cycle: a → b → a',
  );
});

test('tells its own errors, by code when asked', () => {
  const error: unknown = new UmbelError('FLOW_NOT_FOUND', { flow: 'x' });
  expect([isUmbelError(error), isUmbelError(error, 'FLOW_NOT_FOUND')]).toEqual([true, true]);
  expect([isUmbelError(error, 'CONFLICT'), isUmbelError(new Error('x'))]).toEqual([false, false]);
});

test('finds words for whatever was thrown', () => {
  const unnamed = new AggregateError([new Error('connect ::1'), new Error('connect 127.0.0.1')]);
  expect([messageOf(new Error('a')), messageOf('b'), messageOf(unnamed)]).toEqual([
    'a',
    'b',
    'connect ::1; connect 127.0.0.1',
  ]);
});

test('docs/errors.md lists exactly the catalogue, with its statuses', async () => {
  const page = await readFile(new URL('../../docs/errors.md', import.meta.url), 'utf8');
  const listed = [...page.matchAll(/^\| `(\w+)` *\| (\d+) *\|/gm)].map(([, code, status]) => [
    code,
    Number(status),
  ]);
  expect(listed).toEqual(Object.entries(ERRORS).map(([code, { status }]) => [code, status]));
});
