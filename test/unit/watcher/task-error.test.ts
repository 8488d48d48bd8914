import { describe, expect, test } from 'vitest';
import { anything, assert, property, string } from 'fast-check';
import { NonRetryable, ProgramError } from '../../../src/programs/program-error.ts';
import { describeError } from '../../../src/watcher/task-error.ts';

const throwing = (): never => {
  throw new Error('no');
};

describe('the name', () => {
  test.each([
    [new Error('m'), 'ProgramError'],
    [new TypeError('m'), 'TypeError'],
    [new ProgramError('m'), 'ProgramError'],
    [new NonRetryable('m'), 'NonRetryable'],
    [new ProgramError('m', { name: 'CardDeclined' }), 'CardDeclined'],
    [Object.assign(new Error('m'), { name: '' }), 'ProgramError'],
    [Object.assign(new Error('m'), { name: 5 }), 'ProgramError'],
    [{ name: 'Plain', message: 'm' }, 'Plain'],
    ['m', 'ProgramError'],
  ])('of %o is %s', (thrown, name) => {
    expect(describeError(thrown)).toMatchObject({ name, message: 'm' });
  });
});

describe('the message', () => {
  const cyclic: Record<string, unknown> = {};
  cyclic.self = cyclic;

  test.each<[unknown, string]>([
    [undefined, 'the program threw undefined'],
    [null, 'the program threw null'],
    [42, 'the program threw 42'],
    [5n, 'the program threw 5'],
    [Symbol('s'), 'the program threw Symbol(s)'],
    [() => 1, 'the program threw a function'],
    ['', 'the program threw an empty text'],
    [{ code: 'E5' }, 'E5'],
    [{ reason: 'x' }, 'the program threw {"reason":"x"}'],
    [['a'], 'the program threw ["a"]'],
    [cyclic, 'the program threw an object that cannot be shown'],
    [new Error(''), 'the program threw an error without a message'],
    [Object.freeze(new Error('frozen')), 'frozen'],
  ])('of %o', (thrown, message) => {
    expect(describeError(thrown).message).toBe(message);
  });

  test('names the causes, each once', () => {
    const cause = new Error('disk full', { cause: new Error('ENOSPC') });
    expect(describeError(new Error('cannot save', { cause })).message).toBe(
      'cannot save; caused by: disk full; caused by: ENOSPC',
    );
    expect(describeError(new Error('cannot save: disk full', { cause })).message).toBe(
      'cannot save: disk full; caused by: ENOSPC',
    );
  });

  test('ends where causes run in a circle', () => {
    const error = new Error('a');
    error.cause = new Error('b', { cause: error });
    expect(describeError(error).message).toBe('a; caused by: b');
  });
});

test('survives values that cannot be read', () => {
  const getters = Object.defineProperties(
    {},
    Object.fromEntries(
      ['name', 'message', 'stack', 'details', 'cause', 'code', 'toJSON'].map((key) => [
        key,
        { get: throwing, enumerable: true },
      ]),
    ),
  );
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  for (const thrown of [getters, proxy, new Proxy({}, { get: throwing })])
    expect(describeError(thrown)).toEqual({
      name: 'ProgramError',
      message: 'the program threw an object that cannot be shown',
    });
});

test('shortens long texts', () => {
  const error = Object.assign(new Error('m'.repeat(100_000)), {
    name: 'N'.repeat(1000),
    stack: 's'.repeat(100_000),
  });
  const { name, message, stack } = describeError(error);
  expect(name).toHaveLength(200 + '… (800 more characters)'.length);
  expect(message).toMatch(/^m{4000}… \(96000 more characters\)$/);
  expect(stack).toMatch(/^s{8000}… /);
});

test('keeps details, and the code of system errors in their place', () => {
  expect(describeError(new ProgramError('m', { details: { status: 500, body: ['x'] } })).details).toEqual({
    status: 500,
    body: ['x'],
  });
  expect(describeError(Object.assign(new Error('m'), { code: 'ENOENT' })).details).toEqual({
    code: 'ENOENT',
  });
  expect(describeError(new ProgramError('m'))).not.toHaveProperty('details');
});

test('says why details are left out', () => {
  expect(describeError({ message: 'm', details: 'x'.repeat(20_000) }).details).toEqual({
    omitted: 'details is 19.53 KiB, the limit is 16 KiB',
  });
  expect(describeError({ message: 'm', details: { n: 1n } }).details).toMatchObject({
    omitted: expect.stringContaining('BigInt') as string,
  });
});

test('is storable and small whatever is thrown', () => {
  assert(
    property(
      anything({ withBigInt: true, withNullPrototype: true, withDate: true, withMap: true }),
      string({ unit: 'binary' }),
      (thrown, text) => {
        for (const value of [
          thrown,
          { message: text, name: text, stack: text, details: [thrown, text, `${text}\0\ud800`] },
        ]) {
          const stored = JSON.stringify(describeError(value)).replaceAll('\\\\', '');
          expect(stored).not.toMatch(/\\u0000|\\ud[89a-f]/);
          expect(stored.length).toBeLessThan(200_000);
        }
      },
    ),
  );
});
