import { expect, expectTypeOf, test } from 'vitest';
import { defineProgram, NonRetryable, ProgramError, RetryAfter, Type } from '../../../src/index.ts';
import { isProgram } from '../../../src/programs/program.ts';

const minimal = { name: 'report.build', description: 'Builds a report.', run: () => null };

test('fills in what a definition leaves out', () => {
  expect(defineProgram(minimal)).toMatchObject({
    name: 'report.build',
    readsInput: false,
    timeout: null,
    retries: null,
  });
});

test('gives a frozen program', () => {
  expect(Object.isFrozen(defineProgram(minimal))).toBe(true);
});

test('reads a timeout written as a duration', () => {
  expect(defineProgram({ ...minimal, timeout: '2m' }).timeout).toBe(120_000);
  expect(defineProgram({ ...minimal, timeout: 250 }).timeout).toBe(250);
  expect(defineProgram({ ...minimal, timeout: null }).timeout).toBeNull();
});

test('gives run the types of its parameters and keeps the type of its result', () => {
  const program = defineProgram({
    ...minimal,
    params: Type.Object({ COUNT: Type.Integer(), NAME: Type.Optional(Type.String()) }),
    run({ params }) {
      expectTypeOf(params.COUNT).toEqualTypeOf<number>();
      expectTypeOf(params.NAME).toEqualTypeOf<string | undefined>();
      return { doubled: params.COUNT * 2 };
    },
  });
  expectTypeOf<ReturnType<typeof program.run>>().toEqualTypeOf<
    { doubled: number } | PromiseLike<{ doubled: number }>
  >();
});

test('keeps `this` for a run that is a method of a larger definition', () => {
  const definition = {
    ...minimal,
    secret: 42,
    run: function (this: { secret: number }) {
      return this.secret;
    },
  };
  expect(defineProgram(definition).run({} as never)).toBe(42);
});

test.each([
  [{ ...minimal, name: '' }, 'name must be'],
  [{ ...minimal, name: 'a..b' }, 'name must be'],
  [{ ...minimal, name: 'with space' }, 'name must be'],
  [{ ...minimal, name: undefined }, 'name must be'],
  [{ ...minimal, description: undefined }, 'description must be text'],
  [{ ...minimal, params: Type.String() }, 'params must be a typebox object schema'],
  [{ ...minimal, params: null }, 'params must be a typebox object schema'],
  [{ ...minimal, timeout: 'soon' }, 'timeout must be milliseconds or text such as 30s, got "soon"'],
  [{ ...minimal, timeout: 0 }, 'timeout must be'],
  [{ ...minimal, retries: 1.5 }, 'retries must be'],
  [{ ...minimal, retries: -1 }, 'retries must be'],
  [{ ...minimal, run: 'later' }, 'run must be a function'],
  [undefined, 'name must be'],
])('refuses the definition %j', (definition, problem) => {
  expect(() => defineProgram(definition as never)).toThrow(problem);
});

test('knows a program from a value that only looks like one', () => {
  const program = defineProgram(minimal);
  expect([program, { ...program }, minimal, null, 'empty', () => program].map(isProgram)).toEqual([
    true,
    false,
    false,
    false,
    false,
    false,
  ]);
});

test('names an error after its class unless told another name', () => {
  expect(
    [new ProgramError('m'), new NonRetryable('m'), new RetryAfter('3s')].map(({ name }) => name),
  ).toEqual(['ProgramError', 'NonRetryable', 'RateLimitError']);
  expect(new NonRetryable('m', { name: 'CardDeclined', details: { code: 51 } })).toMatchObject({
    name: 'CardDeclined',
    details: { code: 51 },
    retryable: false,
  });
});

test('turns the duration of RetryAfter into milliseconds', () => {
  expect(new RetryAfter('3s').delay).toBe(3000);
  expect(() => new RetryAfter('soon')).toThrow('"soon" is not a duration');
});
