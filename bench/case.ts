// Runs one case in a process of its own, for a bounded time. Called by rounds.ts.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { CaseAnswer, CaseOrder } from './case-process.ts';
import type { Sample } from './shape.ts';

const FILE = fileURLToPath(new URL('./case-process.ts', import.meta.url));
const FILL_LIMIT_SECONDS = 3_600;

/** Throws what the case failed with, or that it took too long or was given up. */
export function runCase(order: CaseOrder, limitSeconds: number, signal: AbortSignal): Promise<Sample | null> {
  const seconds = order.do === 'fill' ? FILL_LIMIT_SECONDS : limitSeconds;
  return new Promise((resolve, reject) => {
    const child = fork(FILE, [JSON.stringify(order)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const stop = (why: string) => {
      reject(new Error(why));
      child.kill('SIGKILL');
    };
    const onAbort = () => stop('given up');
    const timer = setTimeout(() => stop(`not done after ${seconds} s`), seconds * 1_000);
    signal.addEventListener('abort', onAbort, { once: true });
    child.once('message', (answer: CaseAnswer) =>
      'error' in answer ? reject(new Error(answer.error)) : resolve(answer.sample),
    );
    child.once('exit', (code, killed) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      reject(new Error(`its process ended without an answer (${killed ?? code})`));
    });
  });
}
