import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expand } from '../../../src/dag/expand.ts';
import { type Selection, selectTasks } from '../../../src/dag/select.ts';
import { makeSteps, randomGraphs } from '../../support/steps.ts';

const DIAMOND = makeSteps({ a: [], b: ['a'], c: ['a'], d: ['b', 'c'], e: [] });
const select = (selection: Selection) => selectTasks(expand(DIAMOND), selection);
const named = (selection: Selection) =>
  select(selection)
    .filter(({ selected }) => selected !== false)
    .map(({ step }) => step);
const waiting = (selection: Selection) =>
  Object.fromEntries(select(selection).map(({ step, waitingOn }) => [step, waitingOn]));

describe('selectTasks', () => {
  it('keeps a step and what comes after it, and waits for nothing that is left out', () => {
    expect(named({ step: 'b' })).toEqual(['b', 'd']);
    expect(waiting({ step: 'b' })).toMatchObject({ b: 0, d: 1 });
  });

  it('turned round, keeps a step and what comes before it, the step first', () => {
    expect(named({ step: 'b', reverse: true })).toEqual(['a', 'b']);
    expect(waiting({ step: 'b', reverse: true })).toMatchObject({ b: 0, a: 1 });
    expect(waiting({ reverse: true })).toEqual({ a: 2, b: 1, c: 1, d: 0, e: 0 });
  });

  it('changes nothing when nothing is asked for', () => {
    expect(select({})).toEqual(expand(DIAMOND));
  });

  it('turned round twice is as it was', () => {
    fc.assert(
      fc.property(randomGraphs(), ({ steps }) => {
        const tasks = expand(steps);
        expect(selectTasks(selectTasks(tasks, { reverse: true }), { reverse: true })).toEqual(tasks);
      }),
    );
  });

  it('always leaves something that can begin, and every selected task can be reached from there', () => {
    fc.assert(
      fc.property(randomGraphs(), fc.nat(), fc.boolean(), ({ steps }, pick, reverse) => {
        const plan = expand(steps);
        const tasks = selectTasks(plan, { step: plan[pick % plan.length]!.step, reverse });
        const kept = tasks.filter(({ selected }) => selected !== false);
        const left = new Map(kept.map((task) => [task.execSeq, task.waitingOn]));
        const ready = kept.filter(({ waitingOn }) => waitingOn === 0);
        let ran = 0;
        for (const { releases } of ready) {
          ran += 1;
          for (const seq of releases) {
            if (!left.has(seq)) continue;
            left.set(seq, left.get(seq)! - 1);
            if (left.get(seq) === 0) ready.push(kept.find(({ execSeq }) => execSeq === seq)!);
          }
        }
        expect(ran).toBe(kept.length);
      }),
    );
  });
});
