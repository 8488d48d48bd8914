// A program whose runs a test sees, and ends when it wants to.
import type { Json } from '../../src/dag/vocabulary.ts';
import { defineProgram, type Context } from '../../src/programs/program.ts';
import { Type } from 'typebox';

export interface ProbeRun {
  context: Context;
  /** `task_flow_id` and exec seq. */
  key: string;
  finish: (result?: Json) => void;
  fail: (error: unknown) => void;
}

/** `next()` resolves with the runs one after the other, in the order in which they began. */
export function makeProbe(name = 'probe', rest: { timeout?: string } = {}) {
  const begun: ProbeRun[] = [];
  const unseen: ProbeRun[] = [];
  const waiting: ((run: ProbeRun) => void)[] = [];
  const program = defineProgram({
    name,
    description: 'Runs until the test ends it.',
    params: Type.Object({}, { additionalProperties: true }),
    readsInput: true,
    ...rest,
    run: (context) =>
      new Promise<Json>((resolve, reject) => {
        const run: ProbeRun = {
          context,
          key: context.idempotencyKey,
          finish: (result = null) => resolve(result),
          fail: reject,
        };
        begun.push(run);
        const waiter = waiting.shift();
        if (waiter) waiter(run);
        else unseen.push(run);
      }),
  });
  const next = (): Promise<ProbeRun> => {
    const run = unseen.shift();
    return run ? Promise.resolve(run) : new Promise((resolve) => waiting.push(resolve));
  };
  return { program, begun, next };
}
