// Expressions are judged when a flow is defined, each problem with its place.
import { describe, expect, test } from 'vitest';
import { checkFlow, checkStored } from '../../../../src/registrar/definition/check.ts';
import { defineFlow } from '../../../../src/client/define-flow.ts';
import { makeStep } from '../../../support/steps.ts';

/** `path: message` of every problem of the flow a → b → c, with d beside them. */
function say(given: Record<string, object>): string[] {
  const steps = ['a', 'b', 'c', 'd'].map((id, at) => ({
    id,
    program: 'empty',
    after: id === 'd' ? [] : ['a', 'b', 'c'].slice(0, at),
    ...given[id],
  }));
  const { problems, missing } = checkFlow({ id: 'f', steps });
  return [...problems, ...missing].map(({ path, message }) => `${path}: ${message}`);
}

test('what is fine is fine', () => {
  const b = {
    input: '{"x": $steps.a}',
    select: 'body',
    params: { x: ['${{ $steps.a }} ${{ $secrets.s }}'] },
  };
  expect(
    say({
      a: { output: 'first one', input: '$execution.input' },
      b: { ...b, input: 'first one', params: {} },
    }),
  ).toEqual([]);
  expect(
    say({ b, c: { input: 'a', select: '$keys($steps)' }, d: { params: { text: '$steps.a {{ x }}' } } }),
  ).toEqual([]);
});

test('all problems come at once, whatever they are', () => {
  expect(
    say({
      a: { input: '$steps.a +', params: { url: 'http://${{ $steps.nobody }}', body: [{ x: '${{ ( }}' }] } },
      b: { select: '', after: ['nowhere'] },
      d: { input: '$steps.c', retry: -1 },
    }),
  ).toEqual([
    'steps[1].select: must be text that is not empty',
    'steps[3].retry: must be a whole number ≥ 0',
    'steps[0].input: Unexpected end of expression (at character 10 of the expression)',
    expect.stringMatching(/^steps\[0\]\.params\.body\[0\]\.x: /),
    'steps[1].select: it is empty',
    expect.stringMatching(/^steps\[1\]\.after\[0\]: no step is called "nowhere"/),
    'steps[0].params.url: no step is called "nobody"; correct it or add the step',
    'steps[3].input: "c" need not have ended by then: put it into after',
  ]);
});

describe('a step that is named', () => {
  test.each([
    ['b', { input: '$steps.d' }, '"d" need not have ended by then: put it into after'],
    ['a', { input: '$steps.c.x' }, '"c" need not have ended by then: put it into after'],
    ['b', { params: { x: ['${{ $steps.b }}'] } }, '"b" is the step itself, which has no result yet'],
    ['b', { select: '$steps.orders' }, 'no step is called "orders"; correct it or add the step'],
    ['b', { input: 'orders' }, 'no step is called "orders"; correct it or add the step'],
    ['b', { input: 'd' }, '"d" need not have ended by then: put it into after'],
    ['b', { input: '$steps.aa' }, 'no step is called "aa" (did you mean "a", "b", "c" or "d"?)'],
  ])('%s %o: %s', (id, step, message) => {
    expect(say({ [id]: step }).map((line) => line.replace(/^[^:]*: /, ''))).toEqual([
      expect.stringContaining(message.replace(/ \(did.*/, '')),
    ]);
  });

  test('goes by the name that its output has', () => {
    expect(say({ a: { output: 'orders' }, b: { input: '$steps.orders' } })).toEqual([]);
    expect(say({ a: { output: 'orders' }, b: { input: '$steps.a' } })).toEqual([
      'steps[1].input: the result of "a" is called "orders"',
    ]);
  });

  test('with a dash has to be quoted', () => {
    const problems = checkFlow({
      id: 'f',
      steps: [
        { id: 'load-all', program: 'empty' },
        { id: 'b', program: 'empty', after: ['load-all'], input: '$steps.load-all.x' },
        { id: 'c', program: 'empty', after: ['load-all'], input: '$steps.`load-all`.x' },
      ],
    }).problems;
    expect(problems).toEqual([
      {
        path: 'steps[1].input',
        message: 'no step is called "load": write $steps.`load-all`, since - is minus',
      },
    ]);
  });
});

test('a step that is still to come is missing, as it is in after', () => {
  const steps = [{ id: 'c', program: 'empty', after: ['b'], input: '$steps.a' }];
  const late = checkFlow({ id: 'f', steps });
  expect(late.problems).toEqual([]);
  expect(late.missing.map(({ path }) => path)).toEqual(['steps[0].after[0]', 'steps[0].input']);
  const a = { id: 'a', program: 'empty' };
  expect(checkFlow({ id: 'f', steps: [...steps, a] }).missing.map(({ path }) => path)).toEqual([
    'steps[0].after[0]',
    'steps[0].input',
  ]);
  const whole = [...steps, a, { id: 'b', program: 'empty', after: ['a'] }];
  expect(checkFlow({ id: 'f', steps: whole })).toEqual({ problems: [], missing: [] });
});

describe('a condition of an edge', () => {
  const of = (text: string) => say({ c: { after: ['b', 'd'], conditions: { b: text } } });

  test('knows the step where the edge begins, and those before it', () => {
    expect(of('$.x > 1 and $steps.b.x and $steps.a and $input and $execution.input.y')).toEqual([]);
  });

  test('knows no others, though the step that it leads to waits for them', () => {
    expect(of('$steps.d')).toEqual([
      'steps[2].conditions.b: "d" need not have ended by then: put it into after',
    ]);
    expect(of('$steps.c')).toEqual([
      'steps[2].conditions.b: "c" need not have ended by then: put it into after',
    ]);
    expect(of('$steps.nobody')).toEqual([
      expect.stringContaining('steps[2].conditions.b: no step is called "nobody"'),
    ]);
  });

  test('is an expression without secrets', () => {
    expect(of('$.x >')).toEqual([expect.stringMatching(/^steps\[2\]\.conditions\.b: Unexpected end/)]);
    expect(of('$secrets.x')).toEqual(['steps[2].conditions.b: $secrets is there in parameters only']);
  });

  test('may come from a step that is still to come', () => {
    const c = { id: 'c', program: 'empty', after: ['b'], conditions: { b: '$.x' } };
    const { problems, missing } = checkFlow({ id: 'f', steps: [c] });
    expect(problems).toEqual([]);
    expect(missing.map(({ path }) => path)).toEqual(['steps[0].after[0]']);
  });

  test('is judged in rows as well', () => {
    const options = { conditions: { a: '(' } };
    const steps = [makeStep({ seq: '1', id: 'a' }), makeStep({ seq: '2', id: 'b', after: ['a'], options })];
    expect(checkStored(steps, null).map(({ path }) => path)).toEqual(['steps[1].conditions.a']);
  });
});

test('two results cannot have one name', () => {
  expect(say({ a: { output: 'x' }, b: { output: 'x' } })).toEqual([
    'steps[1].output: "x" is also what the result of steps[0] is called; choose another',
  ]);
  expect(say({ a: { output: 'c' } })).toEqual([
    'steps[0].output: "c" is also what the result of steps[2] is called; choose another',
  ]);
});

test('secrets are there in parameters only, and named', () => {
  expect(
    say({ b: { input: '$secrets.x', params: { y: '${{ $secrets }}', z: '${{ $lookup($secrets, "x") }}' } } }),
  ).toEqual([
    'steps[1].input: $secrets is there in parameters only',
    'steps[1].params.y: secrets are named one by one: $secrets.<name>',
    'steps[1].params.z: secrets are named one by one: $secrets.<name>',
  ]);
});

test('"${{" has an end', () => {
  expect(say({ b: { params: { x: 'a ${{ b' } } })).toEqual([
    'steps[1].params.x: "${{" has no "}}"; where it stands for itself, write ${{ "${{" }}',
  ]);
  expect(say({ b: { params: { x: 'a ${{ "${{" }} b' } } })).toEqual([]);
});

test('rows are judged by the same rules', () => {
  const steps = [
    makeStep({ seq: '1', id: 'a' }),
    makeStep({ seq: '2', id: null, options: { input: '$steps.b' }, params: { x: '${{ $steps."2" }}' } }),
  ];
  expect(checkStored(steps, null)).toEqual([
    { path: 'steps[1].input', message: expect.stringContaining('no step is called "b"') },
    { path: 'steps[1].params.x', message: '"2" is the step itself, which has no result yet' },
  ]);
});

test('so are flows written in TypeScript', () => {
  const steps = [{ id: 'a', program: 'empty', input: '$steps.b' }];
  expect(() => defineFlow({ id: 'f', steps })).toThrow(/steps\[0\]\.input: no step is called "b"/);
});

test('in a circle every step comes before every other, and the circle is what is wrong', () => {
  expect(say({ a: { after: ['c'] }, b: { input: '$steps.c' } })).toEqual([expect.stringContaining('cycle')]);
});
