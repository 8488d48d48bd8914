import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findProblems } from '../../../src/dag/problems.ts';
import type { Step } from '../../../src/dag/vocabulary.ts';
import { makeStep, makeSteps, randomGraphs, shuffled } from '../../support/steps.ts';

const say = (steps: Step[]) => findProblems(steps).map(({ path, message }) => `${path}: ${message}`);

describe('a definition without problems', () => {
  test('may have no steps, one root, several roots', () => {
    expect(findProblems([])).toEqual([]);
    expect(findProblems(makeSteps({ a: [] }))).toEqual([]);
    expect(findProblems(makeSteps({ a: [], b: [], c: ['a', 'b'] }))).toEqual([]);
  });

  test('may name steps that come later', () => {
    expect(findProblems(makeSteps({ a: ['b'], b: [] }))).toEqual([]);
    expect(
      findProblems([makeStep({ seq: '1', dependsSeq: ['2.5'] }), makeStep({ seq: '2.5', dependsSeq: [] })]),
    ).toEqual([]);
  });

  test('may name a step without id by its seq', () => {
    expect(findProblems([makeStep({ seq: '1' }), makeStep({ seq: '2', id: 'b', after: ['1'] })])).toEqual([]);
  });

  test('may have an id that reads like its own seq', () => {
    expect(findProblems([makeStep({ seq: '1', id: '1' })])).toEqual([]);
  });

  test('is not asked for a dependsSeq that its after replaces', () => {
    expect(findProblems([makeStep({ id: 'a', dependsSeq: ['99'], after: [] })])).toEqual([]);
  });

  test('stays without problems at any depth', () => {
    const chain = [...Array(10_000).keys()].map((at) => makeStep({ seq: `${at + 1}`, dependsSeq: null }));
    expect(findProblems(chain)).toEqual([]);
  });
});

describe('names', () => {
  test('two steps with one id are reported at the later one', () => {
    const steps = [makeStep({ seq: '1', id: 'a' }), makeStep({ seq: '2', id: 'a' })];
    expect(say(steps)).toEqual(['steps[1].id: the step id "a" is also that of steps[0]; choose another']);
  });

  test('two steps with one seq are reported at the later one', () => {
    const steps = [makeStep({ seq: '1', id: 'a' }), makeStep({ seq: '1', id: 'b' })];
    expect(say(steps)).toEqual([
      'steps[1].seq: the seq 1 is also that of steps[0]; give each step a seq of its own',
    ]);
  });

  test.each([
    ['before', ['1', '2'], 0],
    ['after', ['2', '1'], 1],
  ])(
    'an id that is the seq of a step without id is reported when it comes %s that',
    (_, [idSeq, plainSeq], at) => {
      const named = makeStep({ seq: idSeq ?? '', id: plainSeq ?? '' });
      const steps = [named, makeStep({ seq: plainSeq ?? '' })].sort((a, b) => Number(a.seq) - Number(b.seq));
      expect(say(steps)).toEqual([
        `steps[${at}].id: the step id "${plainSeq}" is also what steps[${1 - at}] is called, which has no id and goes by its seq; choose another`,
      ]);
    },
  );

  test.each(['all', '$input'])('the id %s is reserved', (id) => {
    expect(say([makeStep({ id })])).toEqual([`steps[0].id: "${id}" is reserved; choose another step id`]);
  });

  test.each(['', '  '])('the id "%s" is empty', (id) => {
    expect(say([makeStep({ id })])).toEqual([
      'steps[0].id: the step id is empty; give it a name, or leave the id out',
    ]);
  });
});

describe('fields', () => {
  test.each([-21, 20, 1000, Number.NaN])('priority %d is out of range', (priority) => {
    expect(say([makeStep({ priority })])).toEqual([
      `steps[0].priority: ${priority} is out of range; choose a priority from -20 to 19`,
    ]);
  });

  test.each([-20, 0, 19, 19.5])('priority %d is in range', (priority) => {
    expect(findProblems([makeStep({ priority })])).toEqual([]);
  });

  test('a step without a program is reported', () => {
    expect(say([makeStep({ program: ' ' })])).toEqual([
      'steps[0].program: the program is empty; name the program that the step runs',
    ]);
  });
});

describe('references', () => {
  test('an unknown name comes with the near ones', () => {
    expect(say(makeSteps({ load: [], sum: ['lode'] }))).toEqual([
      'steps[1].after[0]: no step is called "lode" (did you mean "load"?)',
    ]);
    expect(say([makeStep({ id: 'load', before: ['lod'] })])).toEqual([
      'steps[0].before[0]: no step is called "lod" (did you mean "load"?)',
    ]);
  });

  test('an unknown name unlike any other comes with the names there are', () => {
    expect(say(makeSteps({ a1: [], b1: ['zebra'] }))).toEqual([
      'steps[1].after[0]: no step is called "zebra" (there are a1, b1)',
    ]);
  });

  test('the seq of a named step is answered with its name', () => {
    expect(say(makeSteps({ load: [], sum: ['1'] }))).toEqual([
      'steps[1].after[0]: no step is called "1" (did you mean "load", whose seq is 1?)',
    ]);
  });

  test('an unknown seq comes with some of the seqs there are', () => {
    const steps = [...Array(9).keys()].map((at) => makeStep({ seq: `${at + 1}` }));
    expect(say([...steps, makeStep({ seq: '10', dependsSeq: ['1', '11'] })])).toEqual([
      'steps[9].dependsSeq[1]: no step has the seq 11 (there are 1, 2, 3, 4, 5, 6, 7, 8, … and 2 more)',
    ]);
  });

  test.each([
    ['dependsSeq', { id: 'a', dependsSeq: ['1'] }],
    ['after', { id: 'a', after: ['a'] }],
    ['before', { id: 'a', before: ['a'] }],
  ])('a step that names itself in %s is reported there', (field, rest) => {
    expect(say([makeStep(rest)])).toEqual([
      `steps[0].${field}[0]: the step waits for itself (a → a); name another step or leave it out`,
    ]);
  });

  test.each([
    ['dependsSeq', '1', { dependsSeq: ['1', '1'] }],
    ['after', 'a', { after: ['a', 'a'] }],
    ['before', 'c', { before: ['c', 'c'] }],
  ])('a name given twice in %s is reported at the second', (field, name, rest) => {
    const others = { first: makeStep({ seq: '1', id: 'a' }), last: makeStep({ seq: '3', id: 'c' }) };
    expect(say([others.first, makeStep({ seq: '2', id: 'b', ...rest }), others.last])).toEqual([
      `steps[1].${field}[1]: "${name}" is named twice in this list; name it once`,
    ]);
  });

  test('a name that two steps share makes no edge to either', () => {
    const steps = [
      makeStep({ seq: '1', id: 'a', after: ['b'] }),
      makeStep({ seq: '2', id: 'b' }),
      makeStep({ seq: '3', id: 'b', after: ['a'] }),
    ];
    expect(findProblems(steps).map(({ path }) => path)).toEqual(['steps[2].id']);
  });

  test('a name that two steps share is reported once, at the steps', () => {
    const steps = [
      makeStep({ seq: '1', id: 'a', after: ['a'] }),
      makeStep({ seq: '2', id: 'a' }),
      makeStep({ seq: '3', id: 'b', after: ['a'] }),
    ];
    expect(findProblems(steps).map(({ path }) => path)).toEqual(['steps[1].id']);
  });

  test('an edge given from both sides is no repetition', () => {
    expect(
      findProblems([
        makeStep({ seq: '1', id: 'a', before: ['b'] }),
        ...makeSteps({ _: [], b: ['a'] }).slice(1),
      ]),
    ).toEqual([]);
  });

  test('"all" is understood in after alone', () => {
    expect(say([makeStep({ id: 'a', before: ['all'] })])).toEqual([
      'steps[0].before[0]: "all" is understood in after only; name the steps one by one',
    ]);
  });

  test('a NULL in an SQL array is reported, not thrown', () => {
    const holed = [null] as unknown as string[];
    expect(findProblems([makeStep({ id: 'a', after: holed })]).map(({ path }) => path)).toEqual([
      'steps[0].after[0]',
    ]);
    expect(findProblems([makeStep({ dependsSeq: holed })]).map(({ path }) => path)).toEqual([
      'steps[0].dependsSeq[0]',
    ]);
  });

  test('ten thousand unknown names are all reported', () => {
    const steps = [...Array(10_000).keys()].map((at) =>
      makeStep({ seq: `${at}`, id: `step ${at}`, after: [`stop ${at}`] }),
    );
    const problems = findProblems(steps);
    expect(problems).toHaveLength(10_000);
    expect(problems.at(-1)?.message).toBe('no step is called "stop 9999"; correct it or add the step');
  });
});

describe('cycles', () => {
  test('a cycle is named in the order it would run, from its first step', () => {
    expect(say(makeSteps({ c: ['b'], a: ['c'], b: ['a'], free: [] }))).toEqual([
      'steps[0]: cycle: c → a → b → c; each waits for the one before it, so none can start: remove one of these dependencies',
    ]);
  });

  test('steps before and behind a cycle are not named', () => {
    const [problem, ...others] = findProblems(
      makeSteps({ root: [], a: ['root', 'b'], b: ['a'], leaf: ['b'] }),
    );
    expect(problem?.message).toContain('cycle: a → b → a;');
    expect(others).toEqual([]);
  });

  test('two cycles apart are both named', () => {
    const messages = say(makeSteps({ a: ['b'], b: ['a'], c: ['b', 'd'], d: ['c'] }));
    expect(messages).toEqual([
      expect.stringContaining('steps[0]: cycle: a → b → a;'),
      expect.stringContaining('steps[2]: cycle: c → d → c;'),
    ]);
  });

  test('interwoven cycles are named by a shortest one through their first step', () => {
    const messages = say(makeSteps({ a: ['c', 'd'], b: ['a'], c: ['b'], d: ['a', 'c'] }));
    expect(messages).toEqual([expect.stringContaining('steps[0]: cycle: a → d → a;')]);
  });

  test('a step that also names itself does not hide the cycle it is on', () => {
    expect(say(makeSteps({ a: ['a', 'b'], b: ['a'] }))).toEqual([
      expect.stringContaining('a → a'),
      expect.stringContaining('cycle: a → b → a;'),
    ]);
  });

  test('the previous step counts, and steps without id go by their seq', () => {
    const steps = [
      makeStep({ seq: '1', dependsSeq: ['3'] }),
      makeStep({ seq: '2', dependsSeq: null }),
      makeStep({ seq: '3', dependsSeq: null }),
    ];
    expect(say(steps)).toEqual([expect.stringContaining('cycle: 1 → 2 → 3 → 1;')]);
  });

  test('a step after all that another waits for is a cycle', () => {
    expect(say(makeSteps({ a: ['last'], last: ['all'] }))).toEqual([
      expect.stringContaining('cycle: a → last → a;'),
    ]);
  });

  test('a cycle of ten thousand steps is found', () => {
    const size = 10_000;
    const steps = [...Array(size).keys()].map((at) =>
      makeStep({ seq: `${at}`, dependsSeq: [`${(at + size - 1) % size}`] }),
    );
    expect(findProblems(steps).map(({ path }) => path)).toEqual(['steps[0]']);
  });
});

test('every problem of a definition is reported at once', () => {
  const steps = [
    makeStep({ seq: '1', id: 'a', program: '', after: ['b', 'x'] }),
    makeStep({ seq: '2', id: 'b', priority: 20, after: ['a', 'a'] }),
    makeStep({ seq: '3', id: 'all', before: ['all'] }),
    makeStep({ seq: '3', id: 'b', dependsSeq: ['7'] }),
    makeStep({ seq: '4', id: 'c', after: ['d'] }),
    makeStep({ seq: '5', id: 'd', after: ['c'] }),
  ];
  expect(findProblems(steps).map(({ path }) => path)).toEqual([
    'steps[0].program',
    'steps[1].priority',
    'steps[2].id',
    'steps[3].seq',
    'steps[3].id',
    'steps[0].after[1]',
    'steps[1].after[1]',
    'steps[2].before[0]',
    'steps[3].dependsSeq[0]',
    'steps[4]',
  ]);
});

describe('properties', () => {
  test('a graph without cycle has no problem', () => {
    fc.assert(
      fc.property(randomGraphs(), ({ steps }) => {
        expect(findProblems(steps)).toEqual([]);
      }),
    );
  });

  test('an injected back edge is reported as a cycle that is really there', () => {
    const withEdge = randomGraphs()
      .filter(({ edges }) => edges.length > 0)
      .chain((graph) => fc.record({ graph: fc.constant(graph), edge: fc.constantFrom(...graph.edges) }));
    fc.assert(
      fc.property(withEdge, ({ graph, edge: [from, to] }) => {
        const steps = graph.steps.map((step, at) =>
          at === to ? { ...step, before: [...(step.before ?? []), `s${from}`] } : step,
        );
        const real = new Set([...graph.edges, [to, from]].map(([a, b]) => `s${a} → s${b}`));
        const [problem, ...others] = findProblems(steps);
        const names = /^cycle: (.*?);/.exec(problem?.message ?? '')?.[1]?.split(' → ') ?? [];
        expect(others).toEqual([]);
        expect(names.length).toBeGreaterThan(2);
        expect(names[0]).toBe(names.at(-1));
        expect(new Set(names.slice(1)).size).toBe(names.length - 1);
        for (const [at, name] of names.slice(1).entries()) expect(real).toContain(`${names[at]} → ${name}`);
      }),
    );
  });

  test('the verdict does not depend on the order of definition', () => {
    const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
    const names = fc.uniqueArray(fc.constantFrom(...ids, 'all', 'unknown'), { maxLength: 2 });
    const lists = fc.array(names, { minLength: ids.length, maxLength: ids.length });
    fc.assert(
      fc.property(lists, lists, shuffled(ids.length), (after, before, order) => {
        const define = (positions: number[]) =>
          positions.map((at, seq) =>
            makeStep({ seq: `${seq}`, id: ids[at] ?? '', after: after[at] ?? [], before: before[at] ?? [] }),
          );
        expect(summarize(define(order))).toEqual(summarize(define([...ids.keys()])));
      }),
      { numRuns: 300 },
    );
  });
});

/** Problems without what names positions: how many cycles, and what is said about which step. */
function summarize(steps: Step[]) {
  const problems = findProblems(steps);
  const cycles = problems.filter(({ message }) => message.startsWith('cycle'));
  const others = problems
    .filter((problem) => !cycles.includes(problem))
    .map(({ path, message }) => {
      const at = Number(/^steps\[(\d+)\]/.exec(path)?.[1]);
      return `${steps[at]?.id}${path.replace(/^steps\[\d+\]/, '')} ${message.replace(/ \(there are.*/, '')}`;
    });
  return { cycles: cycles.length, others: others.sort() };
}

describe('joins', () => {
  const sayOf = (options: Step['options']) =>
    say([
      ...makeSteps({ load: [], fetch: [] }),
      makeStep({ seq: '3', id: 'c', after: ['load', 'fetch'], options }),
    ]);

  test('edges and a count that the predecessors can satisfy are fine', () => {
    expect(sayOf({ join: { n: 2 }, edges: { load: 'failed', fetch: 'always' } })).toEqual([]);
  });

  test('an edge from a step that is no predecessor is reported, with the near ones', () => {
    expect(sayOf({ edges: { lode: 'failed', nowhere: 'always' } })).toEqual([
      'steps[2].edges.lode: the step does not wait for "lode" (did you mean "load"?)',
      'steps[2].edges.nowhere: the step does not wait for "nowhere"; name one of the steps in its after',
    ]);
  });

  test('a condition stands on an edge from a predecessor, which a success takes', () => {
    expect(sayOf({ conditions: { load: '$.x', fetch: '$.y' } })).toEqual([]);
    expect(sayOf({ join: 'allDone', edges: { load: 'succeeded' }, conditions: { load: '$.x' } })).toEqual([]);
    expect(sayOf({ conditions: { lode: '$.x', nowhere: '$.x' } })).toEqual([
      'steps[2].conditions.lode: the step does not wait for "lode" (did you mean "load"?)',
      'steps[2].conditions.nowhere: the step does not wait for "nowhere"; name one of the steps in its after',
    ]);
    expect(sayOf({ edges: { load: 'failed' }, conditions: { load: '$.x' } })).toEqual([
      'steps[2].conditions.load: the edge from "load" asks for "failed", so a condition cannot decide it; make it "succeeded" in edges',
    ]);
    expect(sayOf({ join: 'allDone', conditions: { fetch: '$.x' } })).toEqual([
      expect.stringContaining('steps[2].conditions.fetch: the edge from "fetch" asks for "always"'),
    ]);
  });

  test('more arrivals than predecessors, and a join of nothing, are reported', () => {
    expect(sayOf({ join: { n: 3 } })).toEqual([
      'steps[2].join.n: 3 steps cannot arrive: it waits for 2 (load, fetch)',
    ]);
    expect(say([makeStep({ id: 'a', options: { join: 'any' } })])).toEqual([
      'steps[0].join: the step waits for no other, so nothing can arrive; name steps in its after',
    ]);
  });

  test('a goto that leads nowhere, back to its own step, or in a circle is reported', () => {
    const steps = makeSteps({ a: [], b: ['a'], c: ['b'] });
    steps[0]!.options = { catch: [{ goto: 'bb' }, { goto: 'a' }] };
    steps[2]!.options = { catch: [{ goto: 'b' }] };
    expect(say(steps)).toEqual([
      'steps[0].catch[0].goto: no step is called "bb" (did you mean "b"?)',
      'steps[0].catch[1].goto: the step leads to itself; give it a retry, or name another step',
      'steps[1]: cycle: b → c → b; each waits for the one before it, so none can start: remove one of these dependencies',
    ]);
  });

  test('a catch that says not how to go on, or two ways, is reported', () => {
    const steps = makeSteps({ a: [], b: [] });
    steps[0]!.options = { catch: [{ errors: ['X'] }, { goto: 'b', continue: true }, { continue: true }] };
    expect(say(steps)).toEqual([
      'steps[0].catch[0]: says not how to go on; add continue: true, or goto with a step',
      'steps[0].catch[1]: has both goto and continue; choose one',
    ]);
  });
});
