import { expect, test } from 'vitest';
import type { JsonObject } from '../../../../src/dag/vocabulary.ts';
import { planDefinition } from '../../../../src/registrar/definition/plan.ts';
import type { StoredPlan } from '../../../../src/sql/definitions.ts';
import { bareHead, makeStep } from '../../../support/steps.ts';

const head = { ...bareHead, flow: 'x', revision: '1' };
const plan = (options: (JsonObject | null)[], settings: JsonObject | null = null) => {
  const steps = options.map((one, at) => makeStep({ seq: `${at + 1}`, id: `s${at}`, options: one }));
  return planDefinition({ ...head, steps, settings }) as StoredPlan;
};

test("a step's own word beats the flow's, limit by limit", () => {
  const defaults = { retry: 3, timeout: { attempt: '3s' } };
  const { tasks } = plan([null, { retry: 0 }, { timeout: 0, allowFail: true }], { defaults });
  expect(tasks.map(({ options }) => options)).toEqual([
    { retry: 3, timeout: { attempt: '3s' } },
    { retry: 0, timeout: { attempt: '3s' } },
    { retry: 3, timeout: { attempt: 0 }, allowFail: true },
  ]);
});

test('without defaults and options a task has none', () => {
  expect(plan([null], {}).tasks[0]?.options).toBeNull();
});

test('options and settings make another version, a null makes none', () => {
  const versions = [plan([null]), plan([{ retry: 1 }]), plan([null], { defaults: { retry: 1 } })];
  expect(new Set(versions.map(({ version }) => version)).size).toBe(3);
  expect(plan([null], null).version).toBe(versions[0]?.version);
});

test('what cannot run gives its problems', () => {
  expect(plan([{ compensate: { program: 'empty' } }])).toEqual([
    { path: 'steps[0].compensate', message: 'is not supported by this version; leave it out' },
  ]);
});
