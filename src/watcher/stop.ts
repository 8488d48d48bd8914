// Ends an attempt from outside: a timeout, an abort by the operator, a shutdown. Made by the watcher's loop for
// each attempt; run.ts listens. The AbortController exists only once somebody asks for the signal.

export interface Stop {
  /** Aborts when `stop` is called; its reason is the error given there. */
  readonly signal: AbortSignal;
  /** Why the attempt was stopped; undefined while it is not. */
  readonly error: Error | undefined;
  /** Ends the attempt with this error (`CancelledError`, `TimeoutError`); only the first call counts. */
  stop(error: Error): void;
  /** Calls `listener` once, when the attempt is stopped. */
  onStop(listener: (error: Error) => void): void;
}

export function makeStop(): Stop {
  let stopped: Error | undefined;
  let controller: AbortController | undefined;
  let notify: ((error: Error) => void) | undefined;
  return {
    get signal() {
      controller ??= new AbortController();
      if (stopped) controller.abort(stopped);
      return controller.signal;
    },
    get error() {
      return stopped;
    },
    stop(error) {
      if (stopped) return;
      stopped = error;
      notify?.(error);
      controller?.abort(error);
    },
    onStop(listener) {
      if (stopped) listener(stopped);
      else notify = listener;
    },
  };
}
