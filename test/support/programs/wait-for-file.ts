// A user's program: ends when a file is there, and never before.
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineProgram, Type } from 'umbel';

export default defineProgram({
  name: 'wait-for-file',
  description: 'Waits until a file is there.',
  params: Type.Object({ file: Type.String({ minLength: 1 }) }),
  async run({ params, log, execution }) {
    log.info(`${execution.id} waits`);
    while (!existsSync(params.file)) await sleep(10);
    return { found: params.file };
  },
});
