// How commands end: an error of the catalogue is its own sentence on standard error, anything else says where to look.
import type { Command } from 'commander';
import { isUmbelError, messageOf } from '../src/errors.ts';

export const EXIT = { ok: 0, failure: 1, usage: 2 } as const;

/** A commander action that reports what it throws and ends the process with the code that fits. */
export function guarded<A extends unknown[]>(action: (this: Command, ...args: A) => Promise<void>) {
  return async function (this: Command, ...args: A): Promise<void> {
    try {
      await action.apply(this, args);
    } catch (error) {
      process.exit(reportError(error, isDebugging(this)));
    }
  };
}

/** Prints an error for people and returns the exit code that fits. */
export function reportError(error: unknown, debug = false): number {
  const known = isUmbelError(error);
  console.error(
    known
      ? error.message
      : `Unexpected error: ${messageOf(error)}${debug ? '' : ' (--log-level debug shows where)'}`,
  );
  if (debug) console.error(error);
  return isUmbelError(error, 'CONFIG_INVALID') ? EXIT.usage : EXIT.failure;
}

/** A reader such as `head` that has seen enough is no error. */
export function endQuietlyWhenNobodyReads(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.ok);
    throw error;
  });
}

function isDebugging(command: Command): boolean {
  const { logLevel } = command.optsWithGlobals<{ logLevel?: string }>();
  return ['debug', 'trace'].includes(logLevel ?? process.env.LOG_LEVEL ?? '');
}
