// The program that does nothing: joins, branches and measurements stand on it.
import { defineProgram } from './program.ts';

export const empty = defineProgram({
  name: 'empty',
  description: 'Does nothing; its result is its input.',
  readsInput: true,
  run: ({ input }) => input,
});
