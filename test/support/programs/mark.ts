// A user's program: leaves a line in a file for each run.
import { appendFileSync } from 'node:fs';
import { defineProgram, Type } from 'umbel';

export default defineProgram({
  name: 'mark',
  description: 'Appends the idempotency key and the attempt to a file.',
  params: Type.Object({ file: Type.String({ minLength: 1 }) }),
  run({ params, idempotencyKey, attempt }) {
    appendFileSync(params.file, `${idempotencyKey} ${attempt}\n`);
  },
});
