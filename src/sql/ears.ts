// Listens for hints of other processes, and goes on listening when the connection is lost. Deaf for a while, a poll still finds all.
import type { Logger } from '../log.ts';

const LONGEST_PAUSE = 30_000;

/** Opens a connection that listens; `onEnd` is called once when that is lost. Gives how to stop. */
type Listen = (onEnd: (error?: Error) => void) => Promise<() => Promise<void>>;

/** Listens for ever, and calls `onHearing` whenever that begins (hints may have been missed before). Returns how to stop. */
export function keepListening(listen: Listen, onHearing: () => void, log: Logger): () => Promise<void> {
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
        void begin();
      },
      pause * (0.5 + Math.random()),
    );
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  };
  const begin = async () => {
    try {
      close = await listen(again);
      if (stopped) return await close();
      pause = 500;
      onHearing();
    } catch (error) {
      again(error as Error);
    }
  };

  void begin();
  return async () => {
    stopped = true;
    clearTimeout(timer);
    await close().catch(() => {});
  };
}
