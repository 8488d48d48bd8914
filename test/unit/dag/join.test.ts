import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { EdgeState } from '../../../src/dag/edges.ts';
import { expand } from '../../../src/dag/expand.ts';
import { countJoin } from '../../../src/dag/join.ts';
import type { JsonObject, Step } from '../../../src/dag/vocabulary.ts';
import { makeSteps } from '../../support/steps.ts';

const withOptions = (steps: Step[], options: Record<string, JsonObject>): Step[] =>
  steps.map((step) => ({ ...step, options: options[step.id ?? ''] ?? null }));
const plan = (after: Record<string, string[]>, options: Record<string, JsonObject>) =>
  expand(withOptions(makeSteps(after), options)).map(({ edges, need, wireOn, waitingOn, live }) => ({
    edges,
    need,
    wireOn,
    waitingOn,
    live,
  }));
const PLAIN = { edges: null, need: null, wireOn: 0 };

describe('a plan', () => {
  test('of plain steps has no edges of a kind and needs all', () => {
    expect(plan({ a: [], b: ['a'] }, { b: { join: 'all', edges: { a: 'succeeded' } } })).toEqual([
      { ...PLAIN, waitingOn: 0, live: 1 },
      { ...PLAIN, waitingOn: 1, live: 1 },
    ]);
  });

  test('any is runnable after one, and lives as long as one may come', () => {
    expect(plan({ a: [], b: [], c: [], d: ['a', 'b', 'c'] }, { d: { join: 'any' } })[3]).toEqual({
      ...PLAIN,
      need: 1,
      waitingOn: 1,
      live: 3,
    });
    expect(plan({ a: [], b: [], c: [], d: ['a', 'b', 'c'] }, { d: { join: { n: 2 } } })[3]).toMatchObject({
      need: 2,
      waitingOn: 2,
      live: 2,
    });
  });

  test('allDone takes every end, unless an edge says otherwise; a failure of those before it wires', () => {
    const tasks = plan({ a: [], b: [], c: ['a', 'b'] }, { c: { join: 'allDone', edges: { b: 'failed' } } });
    expect(tasks[2]).toMatchObject({ edges: ['always', 'failed'], need: null, waitingOn: 2, live: 2 });
    expect(tasks.map(({ wireOn }) => wireOn)).toEqual([1, 2, 0]);
  });

  test('a goto is an edge of its own kind, but for a step that waits for that one anyway', () => {
    const steps = withOptions(makeSteps({ a: [], undo: [], tell: ['a'] }), {
      a: { catch: [{ errors: ['X'], goto: 'undo' }, { goto: 'tell' }] },
    });
    const [, undo, tell] = expand(steps);
    expect(undo).toMatchObject({ depends: [1], edges: ['goto'], waitingOn: 1, live: 1 });
    expect(tell).toMatchObject({ depends: [1], edges: null });
  });
});

describe('counting', () => {
  const states = fc.array(fc.constantFrom<EdgeState>('open', 'met', 'skipped', 'unmet'), { maxLength: 6 });
  const needs = fc.option(fc.integer({ min: 1, max: 4 }));
  const runnable = (need: number | null, edges: EdgeState[]) => {
    const { waitingOn, live } = countJoin(need, edges);
    return waitingOn === 0 && live > 0;
  };

  test('a join is runnable, to be skipped, or waits for what is open', () => {
    fc.assert(
      fc.property(needs, states, (need, edges) => {
        const { waitingOn, live } = countJoin(need, edges);
        if (waitingOn > 0 && live > 0) expect(edges).toContain('open');
      }),
    );
  });

  test('one that is runnable stays so, one to be skipped too, whatever comes', () => {
    const ends = fc.constantFrom<EdgeState>('met', 'skipped', 'unmet');
    fc.assert(
      fc.property(needs, states, fc.array(ends, { minLength: 6, maxLength: 6 }), (need, edges, later) => {
        const after = edges.map((state, at) => (state === 'open' ? later[at]! : state));
        if (runnable(need, edges)) expect(runnable(need, after)).toBe(true);
        if (countJoin(need, edges).live === 0) expect(countJoin(need, after).live).toBe(0);
      }),
    );
  });

  test.each<[string, number | null, EdgeState[], boolean, boolean]>([
    ['all: an unmet edge decides at once', null, ['open', 'unmet'], false, true],
    ['all: a skipped one counts as arrived', null, ['met', 'skipped'], true, false],
    ['all: but not when nothing else arrived', null, ['skipped', 'skipped'], false, true],
    ['any: the first decides', 1, ['met', 'open', 'open'], true, false],
    ['any: a skipped one does not count', 1, ['skipped', 'open'], false, false],
    ['any: until none can come', 1, ['skipped', 'unmet'], false, true],
    ['n: not reachable any more', 2, ['met', 'unmet', 'skipped'], false, true],
    ['n: more than there are', 3, ['open', 'open'], false, true],
  ])('%s', (_, need, edges, runs, skips) => {
    expect([runnable(need, edges), countJoin(need, edges).live === 0]).toEqual([runs, skips]);
  });
});
