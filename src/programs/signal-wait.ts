// signal.wait: waits for a signal to its execution, without holding a worker.
import { Type } from 'typebox';
import type { Json } from '../dag/vocabulary.ts';
import { defineProgram } from './program.ts';
import { waitForOnce, WaitLimits } from './wait-once.ts';

export const signalWait = defineProgram({
  name: 'signal.wait',
  description: 'Waits for a signal, without holding a worker; its result is the value of the signal',
  params: Type.Object(
    {
      name: Type.String({ minLength: 1, maxLength: 256, description: 'The name of the signal.' }),
      ...WaitLimits,
    },
    { additionalProperties: false },
  ),
  run: (context): Json | object => waitForOnce(context, context.params.name, ({ value }) => value),
});
