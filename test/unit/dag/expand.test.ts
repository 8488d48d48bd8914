import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expand } from '../../../src/dag/expand.ts';
import type { Step } from '../../../src/dag/vocabulary.ts';
import { makeStep, makeSteps, randomGraphs } from '../../support/steps.ts';

const dependsOf = (steps: Step[]) => expand(steps).map(({ depends }) => depends);

test('a task carries everything that running the step takes', () => {
  const step = makeStep({
    seq: '2.5',
    id: 'load',
    program: 'http.request',
    priority: -3,
    pool: 'gpu',
    params: { url: 'http://localhost' },
    options: { retry: 2 },
    dependsSeq: null,
  });
  const [, task] = expand([makeStep(), step]);
  expect(task).toEqual({
    execSeq: 2,
    seq: '2.5',
    step: 'load',
    program: 'http.request',
    priority: -3,
    pool: 'gpu',
    params: { url: 'http://localhost' },
    options: { retry: 2 },
    depends: [1],
    edges: null,
    need: null,
    releases: [],
    wireOn: 0,
    waitingOn: 1,
    live: 1,
  });
});

test('a step without id goes by its seq, one without pool to the default pool', () => {
  expect(expand([makeStep({ seq: '7' })])).toMatchObject([
    { execSeq: 1, seq: '7', step: '7', pool: 'default' },
  ]);
});

test('exec seqs follow the order of seq, not of running', () => {
  const plan = expand(makeSteps({ last: ['first'], first: [] }));
  expect(plan.map(({ execSeq, step, depends }) => [execSeq, step, depends])).toEqual([
    [1, 'last', [2]],
    [2, 'first', []],
  ]);
});

test('a root waits for nothing and is alive', () => {
  expect(expand([makeStep()])).toMatchObject([{ depends: [], waitingOn: 0, live: 1 }]);
});

test('a join waits for, and lives by, each predecessor', () => {
  expect(expand(makeSteps({ a: [], b: [], c: ['b', 'a'] }))[2]).toMatchObject({
    depends: [1, 2],
    waitingOn: 2,
    live: 2,
  });
});

test('nothing expands to nothing', () => {
  expect(expand([])).toEqual([]);
});

describe('predecessors', () => {
  test('none given: a straight chain', () => {
    const chain = ['1', '5', '9'].map((seq) => makeStep({ seq, dependsSeq: null }));
    expect(dependsOf(chain)).toEqual([[], [1], [2]]);
  });

  test('dependsSeq names seqs, not exec seqs; empty makes a root', () => {
    const steps = [
      makeStep({ seq: '10' }),
      makeStep({ seq: '20' }),
      makeStep({ seq: '30', dependsSeq: ['20', '10'] }),
    ];
    expect(dependsOf(steps)).toEqual([[], [], [1, 2]]);
  });

  test('after replaces dependsSeq, even when empty', () => {
    const steps = [
      makeStep({ seq: '1', id: 'a' }),
      makeStep({ seq: '2', id: 'b' }),
      makeStep({ seq: '3', id: 'c', dependsSeq: ['1'], after: ['b'] }),
      makeStep({ seq: '4', id: 'd', dependsSeq: null, after: [] }),
    ];
    expect(dependsOf(steps)).toEqual([[], [], [2], []]);
  });

  test('before adds to what the other step names itself', () => {
    const steps = [
      makeStep({ seq: '1', id: 'a', before: ['c', 'd'] }),
      makeStep({ seq: '2', id: 'b' }),
      makeStep({ seq: '3', id: 'c', dependsSeq: null }),
      makeStep({ seq: '4', id: 'd', after: ['a', 'b'] }),
    ];
    expect(dependsOf(steps)).toEqual([[], [], [1, 2], [1, 2]]);
  });

  test('after all means every step that is not itself after all', () => {
    const steps = makeSteps({ report: ['all'], a: [], b: ['a'], notify: ['all', 'report'] });
    expect(dependsOf(steps)).toEqual([[2, 3], [], [2], [1, 2, 3]]);
  });
});

describe('properties', () => {
  test('the edges of a plan are those of the definition', () => {
    fc.assert(
      fc.property(randomGraphs(), ({ steps, edges }) => {
        const planned = expand(steps).flatMap(({ execSeq, depends }) =>
          depends.map((predecessor) => `${predecessor - 1} ${execSeq - 1}`),
        );
        expect(planned.sort()).toEqual(edges.map(([from, to]) => `${from} ${to}`).sort());
      }),
    );
  });

  test('releases are the inverse of depends, and both ascend', () => {
    fc.assert(
      fc.property(randomGraphs(), ({ steps }) => {
        const plan = expand(steps);
        for (const { execSeq, depends, releases, waitingOn, live } of plan) {
          expect(releases).toEqual(
            plan.filter((other) => other.depends.includes(execSeq)).map((other) => other.execSeq),
          );
          expect(depends).toEqual([...new Set(depends)].sort((a, b) => a - b));
          expect([waitingOn, live]).toEqual([depends.length, depends.length || 1]);
        }
      }),
    );
  });
});
