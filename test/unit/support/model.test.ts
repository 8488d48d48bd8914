import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expand } from '../../../src/dag/expand.ts';
import { ExecStatus } from '../../../src/dag/vocabulary.ts';
import {
  judgeExecution,
  listRunnable,
  type ModelState,
  setTask,
  spread,
  startState,
} from '../../support/model.ts';
import { makeSteps, randomGraphs } from '../../support/steps.ts';

const { suspend, finish, ignore, running } = ExecStatus;
const diamond = expand(makeSteps({ a: [], b: ['a'], c: ['a'], d: ['b', 'c'] }));
const begin = startState(diamond);
const afterA = setTask(begin, 1, finish);

describe('what is runnable', () => {
  test('at first the roots, then what waits for nothing any more', () => {
    expect(listRunnable(diamond, begin)).toEqual([1]);
    expect(listRunnable(diamond, afterA)).toEqual([2, 3]);
    expect(listRunnable(diamond, setTask(afterA, 2, finish))).toEqual([3]);
    expect(listRunnable(diamond, setTask(setTask(afterA, 2, finish), 3, finish))).toEqual([4]);
  });

  test('a running, suspended or aborted predecessor holds back', () => {
    expect(listRunnable(diamond, setTask(begin, 1, running))).toEqual([]);
    expect(listRunnable(diamond, setTask(begin, 1, suspend, 'failed'))).toEqual([]);
    expect(listRunnable(diamond, setTask(begin, 1, ignore, 'aborted'))).toEqual([]);
  });

  test('a deleted or ignored predecessor does not', () => {
    expect(listRunnable(diamond, setTask(begin, 1, null))).toEqual([2, 3]);
    expect(listRunnable(diamond, setTask(begin, 1, ignore, 'operator'))).toEqual([2, 3]);
  });

  test('a task with one predecessor skipped and one finished runs, with all skipped it does not', () => {
    const oneSkipped = setTask(afterA, 2, ignore, 'skipped');
    expect(listRunnable(diamond, setTask(oneSkipped, 3, finish))).toEqual([4]);
    expect(listRunnable(diamond, setTask(oneSkipped, 3, ignore, 'skipped'))).toEqual([]);
  });
});

describe('skips', () => {
  test('spread as far as every predecessor is skipped', () => {
    const after = spread(diamond, setTask(begin, 1, ignore, 'skipped'));
    expect([...after.values()]).toEqual(diamond.map(() => ({ status: ignore, reason: 'skipped' })));
    expect(judgeExecution(diamond, setTask(begin, 1, ignore, 'skipped'))).toBe('success');
  });

  test('leave tasks alone that have run', () => {
    const after = spread(diamond, setTask(setTask(begin, 2, finish), 1, ignore, 'skipped'));
    expect(after.get(2)).toEqual({ status: finish, reason: null });
    expect(after.get(4)).toEqual({ status: ExecStatus.wait, reason: null });
  });
});

describe('an execution', () => {
  test('runs while anything runs or may run', () => {
    expect(judgeExecution(diamond, begin)).toBe('running');
    expect(judgeExecution(diamond, setTask(begin, 1, running))).toBe('running');
    expect(judgeExecution(diamond, setTask(afterA, 2, suspend, 'failed'))).toBe('running');
  });

  test('is failed when something stands suspended and nothing can move', () => {
    expect(judgeExecution(diamond, setTask(setTask(afterA, 2, suspend, 'failed'), 3, finish))).toBe('failed');
  });

  test('waits when a suspended task may go on by itself', () => {
    const state = setTask(setTask(afterA, 2, suspend, 'failed'), 3, suspend, 'callback');
    expect(judgeExecution(diamond, state)).toBe('waiting');
  });

  test('is aborted when nothing else holds it back', () => {
    expect(judgeExecution(diamond, setTask(begin, 1, ignore, 'aborted'))).toBe('aborted');
  });

  test('runs every task once, after its predecessors, whatever the order of claiming', () => {
    fc.assert(
      fc.property(randomGraphs(), fc.infiniteStream(fc.nat()), ({ steps, edges }, picks) => {
        const plan = expand(steps);
        const order = runAll(startState(plan));
        expect(order.toSorted((a, b) => a - b)).toEqual(plan.map(({ execSeq }) => execSeq));
        for (const [from, to] of edges) expect(order.indexOf(from + 1)).toBeLessThan(order.indexOf(to + 1));

        function runAll(start: ModelState): number[] {
          const ran: number[] = [];
          let state = start;
          for (const pick of picks) {
            const runnable = listRunnable(plan, state);
            const execSeq = runnable[pick % runnable.length];
            if (execSeq === undefined) break;
            ran.push(execSeq);
            state = setTask(state, execSeq, finish);
          }
          expect(judgeExecution(plan, state)).toBe('success');
          return ran;
        }
      }),
    );
  });

  test('with one failed task runs exactly what does not depend on it', () => {
    const failing = randomGraphs().chain(({ steps }) =>
      fc.record({ plan: fc.constant(expand(steps)), failed: fc.integer({ min: 1, max: steps.length }) }),
    );
    fc.assert(
      fc.property(failing, ({ plan, failed }) => {
        let state = startState(plan);
        for (let [next] = listRunnable(plan, state); next !== undefined; [next] = listRunnable(plan, state)) {
          state = next === failed ? setTask(state, next, suspend, 'failed') : setTask(state, next, finish);
        }
        const behind = new Set([failed]);
        for (const at of behind) for (const child of plan[at - 1]?.releases ?? []) behind.add(child);
        const left = plan.filter(({ execSeq }) => state.get(execSeq)?.status !== finish);
        expect(left.map(({ execSeq }) => execSeq)).toEqual([...behind].sort((a, b) => a - b));
        expect(judgeExecution(plan, state)).toBe('failed');
      }),
    );
  });
});
