// Waiting that ends at once when the attempt is stopped. Used by the two sleeping programs.

// A longer timer would overflow Node's 32 bits and fire at once.
const LONGEST_TIMER = 2 ** 31 - 1;

/** Waits `ms` milliseconds, any length; rejects with the signal's reason as soon as it aborts. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  const end = performance.now() + ms;
  for (let left = ms; left > 0; left = end - performance.now())
    await wait(Math.min(left, LONGEST_TIMER), signal);
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal.addEventListener('abort', stop, { once: true });
  });
}
