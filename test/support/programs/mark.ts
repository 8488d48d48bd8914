// A user's program: leaves a line in a file for each run, and takes its time when told to.
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineProgram, Type } from 'umbel';

export default defineProgram({
  name: 'mark',
  description: 'Appends the idempotency key and the attempt to a file.',
  params: Type.Object({
    file: Type.String({ minLength: 1 }),
    ms: Type.Optional(Type.Integer({ description: 'how long it runs after that' })),
  }),
  run({ params, idempotencyKey, attempt }) {
    appendFileSync(params.file, `${idempotencyKey} ${attempt}\n`);
    return params.ms === undefined ? { attempt } : sleep(params.ms, { attempt });
  },
});
