// Rings when there may be new events: those who read wait for it instead of polling often. Made once a process, by cmd/.
import type { Logger } from '../log.ts';
import { keepListening } from '../sql/ears.ts';
import type { Hint } from '../sql/wake.ts';

export interface Bell {
  /** How often it has rung; to be asked before looking for events. */
  count(): number;
  /** Resolves when it rings (at once when it has since that count), after `ms`, or when the signal aborts. */
  wait(since: number, ms: number, signal: AbortSignal): Promise<void>;
  /** Calls `listener` with the name of a consumer that somebody gave up or put elsewhere. Returns how to stop. */
  onMoved(listener: (consumer: string) => void): () => void;
  ring(): void;
  stop(): Promise<void>;
}

/** Hears of events of all processes through the database at `url`; a hint that is lost costs a poll interval. */
export function startBell(url: string, log: Logger): Bell {
  const waiting = new Set<() => void>();
  const movers = new Set<(consumer: string) => void>();
  let rung = 0;
  const ring = () => {
    rung += 1;
    for (const wake of waiting) wake();
  };
  const hear = (hint: Hint) => {
    if (!('events' in hint)) return;
    const consumer = hint.events;
    if (consumer !== '') for (const tell of movers) tell(consumer);
    ring();
  };
  const stop = keepListening(url, hear, ring, log);

  return {
    ring,
    stop,
    count: () => rung,
    onMoved(listener) {
      movers.add(listener);
      return () => movers.delete(listener);
    },
    wait: (since, ms, signal) =>
      new Promise((resolve) => {
        const wake = () => {
          waiting.delete(wake);
          clearTimeout(timer);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        const timer = setTimeout(wake, since === rung && !signal.aborted ? ms : 0);
        waiting.add(wake);
        signal.addEventListener('abort', wake, { once: true });
      }),
  };
}
