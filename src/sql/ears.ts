// Listens for hints of other processes, and goes on listening when the connection is lost. Deaf for a while, the poll still finds all.
import type { Logger } from '../log.ts';
import { listenForHints, type Hint } from './wake.ts';

const LONGEST_PAUSE = 30_000;

/** Calls `onHint` for each hint, and `onHearing` whenever listening begins (hints may have been missed before). Returns how to stop. */
export function keepListening(
  url: string,
  onHint: (hint: Hint) => void,
  onHearing: () => void,
  log: Logger,
  channel?: string,
): () => Promise<void> {
  let stopped = false;
  let close = async () => {};
  let timer: NodeJS.Timeout | undefined;
  let pause = 500;

  const again = (error?: Error) => {
    if (stopped || timer) return;
    log.debug({ err: error }, 'not listening; trying again');
    timer = setTimeout(
      () => {
        timer = undefined;
        void listen();
      },
      pause * (0.5 + Math.random()),
    );
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  };
  const listen = async () => {
    try {
      close = await listenForHints(url, onHint, again, channel);
      if (stopped) return await close();
      pause = 500;
      onHearing();
    } catch (error) {
      again(error as Error);
    }
  };

  void listen();
  return async () => {
    stopped = true;
    clearTimeout(timer);
    await close().catch(() => {});
  };
}
