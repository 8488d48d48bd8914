// approval.wait: waits until somebody approves or refuses, without holding a worker. An approval is a signal named like the step.
import { Type } from 'typebox';
import type { Json } from '../dag/vocabulary.ts';
import { defineProgram, type Signal } from './program.ts';
import { waitForOnce, WaitLimits } from './wait-once.ts';

export const approvalWait = defineProgram({
  name: 'approval.wait',
  description: 'Waits until somebody approves or refuses: a signal named like the step',
  params: Type.Object(
    {
      prompt: Type.Optional(Type.String({ description: 'What is to be decided, for whoever decides.' })),
      ...WaitLimits,
    },
    { additionalProperties: false },
  ),
  run: (context): Json | object => waitForOnce(context, context.step.id, readApproval),
});

/** Approved is only what says so: `true`, or an object with `approved: true`. */
function readApproval({ value, by, comment }: Signal): Json {
  const said =
    typeof value === 'object' && value !== null && !Array.isArray(value) ? value['approved'] : value;
  return { approved: said === true, by, comment, value };
}
