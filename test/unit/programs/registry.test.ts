import { expect, test } from 'vitest';
import { builtinPrograms } from '../../support/builtin.ts';
import { defineProgram } from '../../../src/programs/program.ts';
import { makeRegistry } from '../../../src/programs/registry.ts';

const make = (name: string) => defineProgram({ name, description: '', run: () => null });

test('finds a program by its exact name', () => {
  const one = make('one');
  const registry = makeRegistry([one, make('two')]);
  expect(registry.get('one')).toBe(one);
  expect(registry.get('One')).toBeUndefined();
  expect(registry.get('constructor')).toBeUndefined();
});

test('lists programs in the order given', () => {
  const registry = makeRegistry([make('b'), make('a')]);
  expect(registry.names()).toEqual(['b', 'a']);
  expect(registry.list().map(({ name }) => name)).toEqual(['b', 'a']);
});

test('refuses two programs of one name', () => {
  expect(() => makeRegistry([make('one'), make('one')])).toThrow('program "one" is defined twice');
});

test('says what an unknown name may have meant', () => {
  expect(makeRegistry(builtinPrograms).describeUnknown('EchoParmTimeSleep')).toMatch(
    /^program "EchoParmTimeSleep" is not known here \(did you mean EchoParamTimeSleep.*\?\); known: EchoParamTimeSleep, EchoRandomTimeSleep, HTTPPostRequest, approval\.wait, .*timer\.sleep$/,
  );
});

test('makes no guess when nothing is near', () => {
  expect(makeRegistry([make('one')]).describeUnknown('something-else')).toBe(
    'program "something-else" is not known here; known: one',
  );
  expect(makeRegistry([]).describeUnknown('x')).toBe('program "x" is not known here; there is none');
});
