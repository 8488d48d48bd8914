// The programs that the benchmark's flows run: one that ends at once, one that takes a millisecond, and the built-in ones.
import { setTimeout as sleep } from 'node:timers/promises';
import { makeBuiltinPrograms } from '../../src/programs/builtin.ts';
import { makeCallOut } from '../../src/programs/outbound.ts';
import { defineProgram, type Context, type Program } from '../../src/programs/program.ts';

export const NOOP = 'bench.noop';
export const ONE_MS = 'bench.one-ms';

const noop = defineProgram({ name: NOOP, description: 'Ends at once.', run: () => ({ ok: true }) });

const oneMs = defineProgram({
  name: ONE_MS,
  description: 'Takes a millisecond.',
  run: async () => {
    await sleep(1);
    return { ok: true };
  },
});

export type OnStart = (context: Context) => void;

/** Every program, telling each start before it does its work. */
export function tellingPrograms(onStart: OnStart): Program[] {
  const builtin = makeBuiltinPrograms(makeCallOut(['127.0.0.0/8', '::1']));
  return [...builtin, noop, oneMs].map((program) =>
    Object.freeze({
      ...program,
      run: (context: Context) => {
        onStart(context);
        return program.run(context);
      },
    }),
  );
}
