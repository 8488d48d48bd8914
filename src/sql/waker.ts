// Sleeping and being woken: the loop sleeps, everything that may have given it work wakes it.

export interface Waker {
  /** Ends the sleep that goes on, or the next one before it begins. */
  wake(): void;
  /** Resolves after `ms`, or as soon as it is woken; true when nobody woke it. */
  sleep(ms: number): Promise<boolean>;
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
      if (!woken) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          rouse = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        rouse = undefined;
      }
      const sleptOn = !woken;
      woken = false;
      return sleptOn;
    },
  };
}
