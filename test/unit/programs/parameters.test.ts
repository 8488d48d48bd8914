import { describe, expect, test } from 'vitest';
import { Type, type TProperties } from 'typebox';
import { defineProgram } from '../../../src/programs/program.ts';
import { readParameters } from '../../../src/programs/parameters.ts';

function read(properties: TProperties, raw: unknown): unknown {
  const params = Type.Object(properties, { additionalProperties: false });
  const answer = readParameters(defineProgram({ name: 'p', description: '', params, run: () => null }), raw);
  return answer.ok ? answer.params : answer.problems.map(({ path, message }) => `${path}: ${message}`);
}

describe('text becomes what the schema asks for', () => {
  test.each([
    [Type.Integer(), '3', 3],
    [Type.Integer(), '-03', -3],
    [Type.Number(), '1.5', 1.5],
    [Type.Number(), '1e3', 1000],
    [Type.Boolean(), 'true', true],
    [Type.Boolean(), 'false', false],
    [Type.Null(), '', null],
    [Type.Literal(5), '5', 5],
    [Type.Object({ a: Type.Number() }), '{"a": 1}', { a: 1 }],
    [Type.Record(Type.String(), Type.String()), '{"a": "b"}', { a: 'b' }],
    [Type.Array(Type.String()), '["a,b"]', ['a,b']],
    [Type.Array(Type.Integer()), '1, 2,3', [1, 2, 3]],
    [Type.Array(Type.String()), '', []],
    [Type.Union([Type.Integer(), Type.Boolean()]), 'true', true],
    [Type.Union([Type.Integer(), Type.Array(Type.Integer())]), '1,2', [1, 2]],
  ])('%j: %j', (schema, text, value) => {
    expect(read({ KEY: schema }, { KEY: text })).toEqual({ KEY: value });
  });

  test.each([
    [Type.String(), '3'],
    [Type.Union([Type.Number(), Type.String()]), '3'],
    [Type.Unknown(), '{"a": 1}'],
    [Type.Literal('true'), 'true'],
  ])('but text stays where text is accepted: %j', (schema, text) => {
    expect(read({ KEY: schema }, { KEY: text })).toEqual({ KEY: text });
  });
});

describe('problems name the parameter, what it must be and what it is', () => {
  test.each([
    [Type.Integer(), 'abc', 'must be a whole number, got "abc"'],
    [Type.Integer(), '1.5', 'must be a whole number, got "1.5"'],
    [Type.Integer(), 1.5, 'must be a whole number, got 1.5'],
    [Type.Integer(), '', 'must be a whole number, got ""'],
    [Type.Integer(), '99999999999999999999', 'must be a whole number, got "99999999999999999999"'],
    [Type.Number(), '0x10', 'must be a number, got "0x10"'],
    [Type.Boolean(), 'yes', 'must be true or false, got "yes"'],
    [Type.String(), 5, 'must be text, got 5'],
    [Type.String(), null, 'must be text, got null'],
    [Type.Array(Type.String()), '[1', 'must be a list, got "[1"'],
    [Type.Object({}), '{nope', 'must be an object, got "{nope"'],
    [Type.Enum(['a', 'b', 'c']), 'd', 'must be "a", "b" or "c", got "d"'],
    [Type.Union([Type.Literal('a'), Type.Integer()]), 'd', 'must be "a" or a whole number, got "d"'],
    [Type.Integer({ minimum: 1 }), '0', 'must be >= 1, got 0'],
    [
      Type.String({ pattern: '^x', title: 'text that begins with x' }),
      'y',
      'must be text that begins with x, got "y"',
    ],
    [
      Type.String({ maxLength: 3 }),
      'y'.repeat(100),
      `must not have more than 3 characters, got "${'y'.repeat(59)}…`,
    ],
    [Type.Integer({ writeOnly: true }), 'secret', 'must be a whole number'],
  ])('%j refuses %j', (schema, value, problem) => {
    expect(read({ KEY: schema }, { KEY: value })).toEqual([`parameters.KEY: ${problem}`]);
  });

  test('inside lists and objects too', () => {
    const properties = { list: Type.Array(Type.Integer()), object: Type.Object({ 'a/b': Type.Boolean() }) };
    expect(read(properties, { list: '1,x', object: '{"a/b": 1}' })).toEqual([
      'parameters.list[1]: must be a whole number, got "x"',
      'parameters.object.a/b: must be true or false, got 1',
    ]);
  });

  test('all at once', () => {
    expect(read({ A: Type.String(), B: Type.String(), C: Type.Integer() }, { C: 'x' })).toEqual([
      'parameters.A: is required',
      'parameters.B: is required',
      'parameters.C: must be a whole number, got "x"',
    ]);
  });

  test.each([
    [null, 'null'],
    [[], 'a list'],
    ['{}', 'text'],
    [5, 'a number'],
  ])('when the whole is %j', (raw, kind) => {
    expect(read({}, raw)).toEqual([`parameters: must be a JSON object, got ${kind}`]);
  });
});

test('an unknown key is refused with the key that was meant', () => {
  expect(read({ URL: Type.Optional(Type.String()) }, { ULR: 'x' })).toEqual([
    'parameters.ULR: there is no such parameter (did you mean URL?)',
  ]);
});

test('an unknown key that resembles nothing is refused with the known ones', () => {
  expect(read({ URL: Type.Optional(Type.String()) }, { something: 'x' })).toEqual([
    'parameters.something: there is no such parameter (known: URL)',
  ]);
  expect(read({}, { something: 'x' })).toEqual([
    'parameters.something: there is no such parameter (there are none)',
  ]);
});

test('a key called __proto__ is an unknown key like any other', () => {
  expect(read({ A: Type.Optional(Type.Integer()) }, JSON.parse('{"__proto__": {"A": 1}, "A": "2"}'))).toEqual(
    ['parameters.__proto__: there is no such parameter (known: A)'],
  );
});

test('an optional parameter that is not text counts as not given when its text is empty', () => {
  expect(
    read({ A: Type.Optional(Type.Integer()), B: Type.Optional(Type.String()) }, { A: '', B: '' }),
  ).toEqual({ B: '' });
});

test('defaults fill in what is missing', () => {
  const properties = {
    A: Type.Integer({ default: 4 }),
    B: Type.Optional(Type.String({ default: 'b' })),
    C: Type.Optional(Type.String()),
  };
  expect(read(properties, {})).toEqual({ A: 4, B: 'b' });
  expect(read(properties, { A: '5', B: 'x' })).toEqual({ A: 5, B: 'x' });
});

test('what was given is not changed', () => {
  const raw = { A: '5' };
  read({ A: Type.Integer(), B: Type.Integer({ default: 1 }) }, raw);
  expect(raw).toEqual({ A: '5' });
});

test('a schema that allows other keys passes them on', () => {
  const program = defineProgram({ name: 'p', description: '', params: Type.Object({}), run: () => null });
  expect(readParameters(program, { extra: 'x' })).toEqual({ ok: true, params: { extra: 'x' } });
});
