import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { buildGraph } from '../../../src/dag/graph.ts';
import { levels, topologicalOrder } from '../../../src/dag/order.ts';
import { makeStep, makeSteps, randomGraphs } from '../../support/steps.ts';

test('a step that is near a root by one way and far by another comes after both', () => {
  const graph = buildGraph(makeSteps({ a: [], d: ['a', 'c'], b: ['a'], c: ['b'] }));
  expect(levels(graph)).toEqual([[0], [2], [3], [1]]);
  expect(topologicalOrder(graph)).toEqual([0, 2, 3, 1]);
});

test('steps that may run side by side are in one level, in order of definition', () => {
  expect(levels(buildGraph(makeSteps({ d: ['c'], c: [], b: ['a'], a: [] })))).toEqual([
    [1, 3],
    [0, 2],
  ]);
});

test('a level keeps the order of definition, whichever was freed first', () => {
  const graph = buildGraph(makeSteps({ a: [], b: [], early: ['b'], late: ['a'] }));
  expect(levels(graph)).toEqual([
    [0, 1],
    [2, 3],
  ]);
});

test('nothing has no levels', () => {
  expect(levels(buildGraph([]))).toEqual([]);
});

test('what lies on a cycle or behind one is left out', () => {
  const graph = buildGraph(makeSteps({ root: [], a: ['root', 'b'], b: ['a'], leaf: ['b'], self: ['self'] }));
  expect(topologicalOrder(graph)).toEqual([0]);
});

test('a chain of ten thousand steps has as many levels', () => {
  const chain = [...Array(10_000).keys()].map((at) => makeStep({ seq: `${at}`, dependsSeq: null }));
  expect(levels(buildGraph(chain))).toHaveLength(10_000);
});

test('the order respects every edge and holds every step once', () => {
  fc.assert(
    fc.property(randomGraphs(), ({ steps, edges }) => {
      const order = topologicalOrder(buildGraph(steps));
      expect(order.toSorted((a, b) => a - b)).toEqual([...steps.keys()]);
      for (const [from, to] of edges) expect(order.indexOf(from)).toBeLessThan(order.indexOf(to));
    }),
  );
});

test("a step's level is one more than the highest of its predecessors'", () => {
  fc.assert(
    fc.property(randomGraphs(), ({ steps, edges }) => {
      const byLevel = levels(buildGraph(steps));
      const levelOf = (at: number) => byLevel.findIndex((level) => level.includes(at));
      for (const at of steps.keys()) {
        const above = edges.filter(([, to]) => to === at).map(([from]) => levelOf(from));
        expect(levelOf(at)).toBe(Math.max(-1, ...above) + 1);
      }
    }),
  );
});
