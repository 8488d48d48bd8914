import { readFile } from 'node:fs/promises';
import * as fc from 'fast-check';
import { Compile } from 'typebox/compile';
import { describe, expect, test } from 'vitest';
import { publishSchema } from '../../../../src/registrar/definition/published-schema.ts';
import { normalizeFlow } from '../../../../src/registrar/definition/rows.ts';
import type { FlowDefinition, StepDefinition } from '../../../../src/registrar/definition/schema.ts';
import { readYaml, writeYaml } from '../../../../src/registrar/definition/yaml.ts';
import { checkFlow } from '../../../../src/registrar/definition/check.ts';
import { valuesOf } from '../../../support/schemas.ts';

/** `line:column path: message` of every problem. */
const say = (text: string) =>
  readYaml(text).flatMap(({ problems }) =>
    problems.map(({ line, column, path, message }) => `${line}:${column} ${path}: ${message}`),
  );

test('reads a flow, and several from one text', () => {
  const text =
    'id: a\nsteps:\n  - id: x\n    program: empty\n---\n{"id": "b", "steps": [{"id": "1", "program": "empty"}]}\n';
  expect(readYaml(text)).toEqual([
    { flow: { id: 'a', steps: [{ id: 'x', program: 'empty' }] }, line: 1, problems: [] },
    { flow: { id: 'b', steps: [{ id: '1', program: 'empty' }] }, line: 6, problems: [] },
  ]);
});

test('points at every problem', () => {
  const text = [
    'id: orders',
    'maxRuning: 2',
    'steps:',
    '  - id: load',
    '    program: empty',
    '    retry: { limit: -1 }',
    '    params: { a.b: { c: .inf } }',
    '  - program: empty',
    '    after: [load, lode]',
    '    compensate: { program: empty }',
  ].join('\n');
  expect(say(text)).toEqual([
    '2:1 maxRuning: is not known (did you mean "maxRunning"?)',
    '6:14 steps[0].retry.limit: must be a whole number ≥ 0',
    '7:22 steps[0].params.a.b.c: must be a finite number, not Infinity',
    '8:5 steps[1].id: is required',
    expect.stringMatching(/^9:19 steps\[1\]\.after\[1\]: no step is called "lode"/),
    '10:5 steps[1].compensate: is not supported by this version; leave it out',
  ]);
});

test.each([
  ['', '1:1 : there is no flow in it'],
  ['# nothing\n---\n', '1:1 : there is no flow in it'],
  ['- a\n- b', '1:1 : must be an object'],
  ['id: a\nid: b', /^2:1 : Map keys must be unique/],
  ['id: "a\nsteps:', /^\d+:\d+ : Missing closing "quote/],
  ['id: a\n\tsteps: []', /^2:1 : Tabs are not allowed/],
])('says where %j breaks', (text, message) => {
  expect(say(text)[0]).toMatch(message);
});

test('does not unfold aliases without bounds', () => {
  const lists = 'bcdefghi'
    .split('')
    .map((name, at) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[at]}`).join(',')}]`);
  expect(say(['a: &a [x]', ...lists].join('\n'))).toEqual([expect.stringContaining('Excessive alias count')]);
});

test('knows anchors and merge keys, so that steps can share what they have in common', () => {
  const text = [
    'id: a',
    'steps:',
    '  - &base { id: x, program: empty, retry: 3 }',
    '  - { <<: *base, id: y, after: [x] }',
  ].join('\n');
  expect(readYaml(text)[0]?.flow?.steps[1]).toEqual({ id: 'y', program: 'empty', retry: 3, after: ['x'] });
});

/** The step as its place among the others allows: few random references would lead to a step, and in no circle. */
function fitStep(
  { join, edges, catch: caught, ...step }: StepDefinition,
  at: number,
  steps: StepDefinition[],
): StepDefinition {
  const earlier = new Set(steps.slice(0, at).map(({ id }) => id));
  const later = new Set(steps.slice(at + 1).map(({ id }) => id));
  const after = [...new Set(step.after)].filter((name) => earlier.has(name));
  const before = [...new Set(step.before)].filter((name) => later.has(name));
  const own = Object.entries(edges ?? {}).filter(([name]) => after.includes(name));
  const need = typeof join === 'object' ? join.n : 1;
  return {
    ...step,
    after,
    before,
    ...(join !== undefined && need <= after.length ? { join } : {}),
    ...(caught === undefined ? {} : { catch: caught.map(({ errors = [] }) => ({ errors, continue: true })) }),
    ...(own.length === 0 ? {} : { edges: Object.fromEntries(own) }),
  };
}

/** What a webhook and a schedule may say has rules that hardly any value of the right shape keeps. */
function withoutBounds({ flowSettings, cron: _c, timezone: _z, ...flow }: FlowDefinition): FlowDefinition {
  if (flowSettings === undefined) return flow;
  const { auth: _a, rate: _r, timeout: _t, maxBytes: _m, ...webhooks } = flowSettings.webhooks ?? {};
  return { ...flow, flowSettings: { ...flowSettings, webhooks } };
}

describe('what is written', () => {
  const flows = (valuesOf(publishSchema()) as fc.Arbitrary<FlowDefinition>).map((flow) => ({
    ...flow,
    steps: flow.steps.map(fitStep),
  }));

  test('reads back as the same flow', () => {
    fc.assert(
      fc.property(flows, (value) => {
        const flow = normalizeFlow(withoutBounds(value));
        const { problems, missing } = checkFlow(flow);
        fc.pre(problems.length + missing.length === 0);
        const [read] = readYaml(writeYaml(flow));
        expect(read?.problems).toEqual([]);
        expect(normalizeFlow(read!.flow!)).toEqual(flow);
      }),
    );
  }, 60_000);

  test('is easy on the eyes', () => {
    const steps = [
      { id: 'a', program: 'empty', params: {} },
      { id: 'b', program: 'empty', params: { text: 'two\nlines', yes: 'no' }, after: ['a'] },
    ];
    expect(writeYaml({ id: 'x', steps })).toBe(
      [
        'id: x',
        'steps:',
        '  - id: a',
        '    program: empty',
        '  - id: b',
        '    program: empty',
        '    after:',
        '      - a',
        '    params:',
        '      text: |-',
        '        two',
        '        lines',
        '      yes: no',
        '',
      ].join('\n'),
    );
  });
});

describe('docs/flow.schema.json', () => {
  test('is what the schema says', async () => {
    const file = JSON.parse(await readFile('docs/flow.schema.json', 'utf8')) as object;
    expect(file).toEqual(JSON.parse(JSON.stringify(publishSchema())));
  });

  test('offers what this version runs, and nothing else', () => {
    const validator = Compile(publishSchema());
    const step = { id: 'a', program: 'empty' };
    expect(validator.Check({ id: 'x', steps: [{ ...step, retry: 3, timeout: { attempt: '3s' } }] })).toBe(
      true,
    );
    expect(validator.Check({ id: 'x', steps: [{ ...step, compensate: step }] })).toBe(false);
    expect(validator.Check({ id: 'x', steps: [{ ...step, timeout: { total: '3s' } }] })).toBe(true);
  });
});
