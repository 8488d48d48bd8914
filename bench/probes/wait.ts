// Waiting for the end of something in the database, for a bounded time.
import { setTimeout as sleep } from 'node:timers/promises';

const PAUSE_MS = 5;
const LIMIT_MS = 600_000;

/** Asks again and again until the answer is yes; throws when that takes too long. */
export async function waitUntil(what: string, isSo: () => Promise<boolean>, limit = LIMIT_MS): Promise<void> {
  const until = performance.now() + limit;
  while (!(await isSo())) {
    if (performance.now() > until) throw new Error(`waited ${limit / 1_000} s in vain: ${what}`);
    await sleep(PAUSE_MS);
  }
}
