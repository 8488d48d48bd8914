import * as fc from 'fast-check';
import { Compile } from 'typebox/compile';
import { describe, expect, test } from 'vitest';
import { parseDuration } from '../../../../src/dag/duration.ts';
import { checkFlow, checkStored } from '../../../../src/registrar/definition/check.ts';
import { Flow } from '../../../../src/registrar/definition/schema.ts';
import { findShapeProblems } from '../../../../src/registrar/definition/shape.ts';
import { makeStep } from '../../../support/steps.ts';
import { valuesOf } from '../../../support/schemas.ts';

const good = { id: 'orders', steps: [{ id: 'load', program: 'empty' }] };

/** `path: message`, as people read it. */
function say(value: unknown): string[] {
  return checkFlow(value).problems.map(({ path, message }) =>
    path === '' ? message : `${path}: ${message}`,
  );
}
const sayStep = (step: object) => say({ id: 'orders', steps: [{ id: 'load', program: 'empty', ...step }] });

describe('a flow', () => {
  test('of one step is fine', () => {
    expect(checkFlow(good)).toEqual({ problems: [], missing: [] });
  });

  test('is told everything that is wrong with it at once, each with its place', () => {
    const said = say({
      id: 'bulk',
      steps: [
        { id: 'a', program: '', priority: 20, after: ['b'] },
        { id: 'b', after: ['a', 'nowhere'], params: [] },
        { id: 'a', program: 'empty', afer: [] },
      ],
      maxRunnning: 1,
    });
    expect(said).toEqual(
      expect.arrayContaining([
        'steps[0].program: must be text of 1 to 256 characters',
        'steps[0].priority: must be a whole number from -20 to 19',
        'steps[1].program: is required',
        'steps[1].params: must be an object',
        'steps[2].afer: is not known (did you mean "after"?)',
        'maxRunnning: is not known (did you mean "maxRunning"?)',
        'id: "bulk" is reserved; choose another',
        'steps[2].id: the step id "a" is also that of steps[0]; choose another',
      ]),
    );
  });

  test('names a cycle', () => {
    const steps = [
      { id: 'a', program: 'empty', after: ['b'] },
      { id: 'b', program: 'empty', after: ['a'] },
    ];
    expect(say({ id: 'x', steps })).toEqual([expect.stringContaining('cycle: a → b → a')]);
  });

  test.each([null, 1, 'x', [], undefined])('is not %j', (value) => {
    expect(say(value)).toEqual(['must be an object']);
  });

  test('needs a step', () => {
    expect(say({ id: 'x', steps: [] })).toEqual(['steps: must not be empty']);
    expect(say({ id: 'x', steps: 'load' })).toEqual(['steps: must be a list']);
    expect(say({ id: ' ', steps: good.steps })).toEqual(['id: must not be blank']);
    expect(say({ id: '..', steps: good.steps })).toEqual(['id: ".." cannot stand in a URL; choose another']);
    expect(sayStep({ id: '.' })).toEqual(['steps[0].id: "." cannot stand in a URL; choose another']);
  });
});

describe('a step', () => {
  test.each([
    [{ retry: { limit: -1 } }, 'steps[0].retry.limit: must be a whole number ≥ 0'],
    [{ retry: -1 }, 'steps[0].retry: must be a whole number ≥ 0'],
    [{ retry: {} }, 'steps[0].retry.limit: is required'],
    [{ retry: { limt: 1 } }, 'steps[0].retry.limt: is not known (did you mean "limit"?)'],
    [{ retry: { jitter: 'some' } }, 'steps[0].retry.jitter: must be "full" or "none"'],
    [{ timeout: 'soon' }, 'steps[0].timeout: must be a duration (milliseconds, or 500ms'],
    [{ timeout: { attempt: '1.5s' } }, 'steps[0].timeout.attempt: must be a duration'],
    [{ join: 'some' }, 'steps[0].join: must be "all", "any", "allDone" or {n: 2}'],
    [{ join: { n: 0 } }, 'steps[0].join.n: must be a whole number ≥ 1'],
    [{ edges: { a: 'never' } }, 'steps[0].edges.a: must be "succeeded", "failed" or "always"'],
    [
      { map: { over: '$x', tolerate: '101%' } },
      'steps[0].map.tolerate: must be a number of elements or a share',
    ],
    [{ catch: [{ errors: '*' }] }, 'steps[0].catch[0].errors: must be a list'],
    [{ params: { a: ['x', '\0'] } }, 'steps[0].params.a[1]: holds a NUL character, which cannot be stored'],
    [{ params: { a: Infinity } }, 'steps[0].params.a: must be a finite number, not Infinity'],
    [{ params: { a: '\ud800' } }, 'steps[0].params.a: holds half of a surrogate pair'],
    [{ params: JSON.parse('{"__proto__": 1}') }, 'steps[0].params: the key "__proto__" is not allowed'],
    [{ name: 'x'.repeat(257) }, 'steps[0].name: must be text of 0 to 256 characters'],
    [{ after: 'load' }, 'steps[0].after: must be a list'],
    [{ after: [1] }, 'steps[0].after[0]: must be text of 1 to 256 characters'],
  ])('with %j is refused in words', (step, message) => {
    expect(sayStep(step).join('\n')).toContain(message);
  });

  test('is told what this version does not run', () => {
    expect(sayStep({ compensate: { program: 'empty' }, map: { over: '$input' } })).toEqual([
      'steps[0].compensate: is not supported by this version; leave it out',
      'steps[0].map: is not supported by this version; leave it out',
    ]);
    expect(say({ ...good, concurrency: [] })).toEqual([
      'concurrency: is not supported by this version; leave it out',
    ]);
  });

  test('may have a name as long as its column, counted in characters', () => {
    expect(sayStep({ id: '🌼'.repeat(256) })).toEqual([]);
    expect(sayStep({ id: '🌼'.repeat(257) })).toEqual(['steps[0].id: must be text of 1 to 256 characters']);
  });
});

test('a reference to a step that is not there yet is told apart from what can never be stored', () => {
  const steps = [{ id: 'a', program: 'empty', after: ['b', 'b'], before: ['all', 'c'] }];
  const { problems, missing } = checkFlow({ id: 'x', steps });
  expect(missing.map(({ path }) => path)).toEqual([
    'steps[0].after[0]',
    'steps[0].after[1]',
    'steps[0].before[1]',
  ]);
  expect(problems.map(({ path }) => path)).toEqual(['steps[0].before[0]']);
});

describe('rows', () => {
  test('are held against the same rules where they hold JSON', () => {
    const steps = [
      makeStep({
        options: { retry: { limit: -1 }, compensate: { program: 'x' }, tiemout: 3, program: 'x', after: [] },
      }),
    ];
    expect(checkStored(steps, { defaults: { pol: 'x' }, steps: [] })).toEqual([
      { path: 'defaults.pol', message: 'is not known (did you mean "pool"?)' },
      { path: 'steps', message: expect.stringContaining('is not known') },
      { path: 'steps[0].retry.limit', message: 'must be a whole number ≥ 0' },
      { path: 'steps[0].tiemout', message: 'is not known (did you mean "timeout"?)' },
      { path: 'steps[0].program', message: 'stands in options; write it into the column program' },
      { path: 'steps[0].after', message: 'stands in options; write it into the column after' },
      { path: 'steps[0].compensate', message: expect.stringContaining('not supported') },
    ]);
  });

  test('without any are judged by their graph alone', () => {
    expect(checkStored([makeStep({ priority: 0.5 })], null)).toEqual([]);
    expect(checkStored([makeStep({ after: ['x'] })], null)).toHaveLength(1);
  });
});

describe('the words and the schema', () => {
  const validator = Compile(Flow);

  test('agree on what fits', () => {
    fc.assert(
      fc.property(valuesOf(Flow), (flow) => {
        expect(findShapeProblems(Flow, flow, '')).toEqual([]);
        expect(validator.Check(flow)).toBe(true);
      }),
    );
  });

  test('agree on what does not', () => {
    const odd = fc.constantFrom<unknown>(
      null,
      -1,
      1.5,
      'x',
      '',
      '5 s',
      '3s',
      true,
      [],
      {},
      [1],
      { n: 1 },
      ['a'],
      { a: 1 },
    );
    fc.assert(
      fc.property(valuesOf(Flow), fc.nat(), odd, (flow, pick, value) => {
        const broken = replaceOne(flow, pick, value);
        expect(findShapeProblems(Flow, broken, '').length === 0).toBe(validator.Check(broken));
      }),
      { numRuns: 500 },
    );
  });

  test('agree with the engine on durations', () => {
    const texts = fc.stringMatching(/^\d{1,13}(ms|s|m|h|d)?$/);
    const property = fc.property(texts, (text) => {
      const fits = findShapeProblems(Flow, { ...good, deadline: text }, '').length === 0;
      return !fits || parseDuration(text) !== undefined;
    });
    expect(fc.check(property).failed).toBe(false);
  });
});

/** The value with one of its parts replaced. */
function replaceOne(value: unknown, pick: number, part: unknown): unknown {
  const copy = structuredClone(value);
  const places: [Record<string, unknown>, string][] = [];
  const visit = (node: unknown) => {
    if (typeof node !== 'object' || node === null) return;
    for (const key of Object.keys(node)) {
      places.push([node as Record<string, unknown>, key]);
      if (key !== 'params' && key !== 'inputSchema') visit(node[key as keyof typeof node]);
    }
  };
  visit(copy);
  const [owner, key] = places[pick % places.length]!;
  owner[key] = part;
  return copy;
}
