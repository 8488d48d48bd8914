// Sleeping and being woken: the loop sleeps, everything that may have given it work wakes it.

export interface Waker {
  /** Ends the sleep that goes on, or the next one before it begins. */
  wake(): void;
  /** Resolves after `ms`, or as soon as it is woken. */
  sleep(ms: number): Promise<void>;
}

export function makeWaker(): Waker {
  let woken = false;
  let rouse: (() => void) | undefined;
  return {
    wake() {
      woken = true;
      rouse?.();
    },
    async sleep(ms) {
      if (!woken && ms > 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          rouse = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        rouse = undefined;
      }
      woken = false;
    },
  };
}
