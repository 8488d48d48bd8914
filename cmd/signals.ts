// SIGTERM and Ctrl-C: the first asks for an orderly stop, the second ends the process at once.
import { constants } from 'node:os';
import { EXIT, reportError } from './exit.ts';

const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/**
 * Calls `stop` on the first signal and ends the process when it is done: with 0, or 1 when it failed. A second signal does
 * not wait for it (exit code 128 + its number). Returns a function that takes the handlers away again.
 */
export function stopOnSignals(stop: (signal: NodeJS.Signals) => Promise<void>): () => void {
  let stopping = false;
  const handle = (signal: NodeJS.Signals) => {
    if (stopping) process.exit(128 + constants.signals[signal]);
    stopping = true;
    stop(signal).then(
      () => process.exit(EXIT.ok),
      (error: unknown) => process.exit(reportError(error)),
    );
  };
  for (const signal of STOP_SIGNALS) process.on(signal, handle);
  return () => STOP_SIGNALS.forEach((signal) => process.off(signal, handle));
}
