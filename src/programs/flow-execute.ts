// flow.execute: starts an execution of another flow, or of the same one, and has its result.
import { Type } from 'typebox';
import type { Json } from '../dag/vocabulary.ts';
import { defineProgram } from './program.ts';
import { startFlow } from './start-flow.ts';

export const flowExecute = defineProgram({
  name: 'flow.execute',
  description: 'Starts an execution of a flow and waits for its end, without holding a worker',
  params: Type.Object(
    {
      flow: Type.String({ minLength: 1, maxLength: 256, description: 'The id of the flow.' }),
      input: Type.Optional(
        Type.Unsafe<Json>({ description: 'Its input, any JSON. Default: the input of the task.' }),
      ),
      wait: Type.Optional(
        Type.Boolean({ description: 'false: do not wait; the result is then the id of the execution.' }),
      ),
    },
    { additionalProperties: false },
  ),
  readsInput: true,
  run: ({ params, input }) =>
    startFlow({ flow: params.flow, input: params.input ?? input, wait: params.wait ?? true }),
});
