import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { buildGraph } from '../../../../src/dag/graph.ts';
import {
  normalizeFlow,
  toFlow,
  toHeadRow,
  toRow,
  toSteps,
} from '../../../../src/registrar/definition/rows.ts';
import { Flow, type FlowDefinition } from '../../../../src/registrar/definition/schema.ts';
import { makeStep, randomGraphs } from '../../../support/steps.ts';
import { valuesOf } from '../../../support/schemas.ts';

const flows = valuesOf(Flow) as fc.Arbitrary<FlowDefinition>;

test('a flow that went through its rows says what it said', () => {
  fc.assert(
    fc.property(flows, (flow) => {
      const back = normalizeFlow(flow);
      expect(spellOut(back)).toEqual(spellOut(flow));
      expect(normalizeFlow(back)).toEqual(back);
    }),
  );
});

test('a priority of 0 that was written differs from none', () => {
  const steps = [
    { id: 'a', program: 'empty', priority: 0 },
    { id: 'b', program: 'empty' },
  ];
  expect(normalizeFlow({ id: 'x', steps }).steps.map(({ priority }) => priority)).toEqual([0, undefined]);
});

test('a row that the API writes is explicit', () => {
  expect(toRow({ id: 'a', program: 'empty' }, '7')).toEqual(
    makeStep({ seq: '7', id: 'a', after: [], dependsSeq: null }),
  );
});

test('every spelling of a dependency in rows comes out as the same graph', () => {
  fc.assert(
    fc.property(randomGraphs(), ({ steps }) => {
      const spelled = toSteps(steps).map((step, at) => toRow(step, steps[at]!.seq));
      expect(buildGraph(spelled)).toEqual(buildGraph(steps));
    }),
  );
});

test('rows of a chain that name nothing come out as one', () => {
  const chain = ['1', '2', '3'].map((seq) => makeStep({ seq, dependsSeq: null }));
  expect(toSteps(chain).map(({ id, after }) => [id, after])).toEqual([
    ['1', undefined],
    ['2', ['1']],
    ['3', ['2']],
  ]);
});

test('what ms_flow has columns for stays out of its settings', () => {
  const flow = {
    id: 'x',
    name: 'X',
    maxRunning: 2,
    cron: '@daily',
    failFast: true,
    steps: [{ id: 'a', program: 'empty' }],
  };
  expect(toHeadRow(flow)).toEqual({
    name: 'X',
    description: null,
    maxRunning: 2,
    type: null,
    cron: '@daily',
    timezone: null,
    settings: { failFast: true },
  });
  expect(toFlow({ flow: 'x', steps: [toRow(flow.steps[0]!, '1')], ...toHeadRow(flow) })).toEqual({
    ...flow,
    steps: [{ ...flow.steps[0], params: {} }],
  });
});

/** What is said without being written. */
function spellOut(flow: FlowDefinition) {
  return {
    ...flow,
    steps: flow.steps.map((step) => ({
      ...step,
      params: step.params ?? {},
      after: step.after ?? [],
      before: step.before ?? [],
    })),
  };
}
