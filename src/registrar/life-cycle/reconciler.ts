// The reconciler of a process: looks after flows that start and stop, woken by whoever asks for it and by a poll. Any number of
// them work on one database. Made and stopped by cmd/.
import type { Logger } from '../../log.ts';
import { keepListening } from '../../sql/ears.ts';
import { isUnreachable } from '../../sql/failures.ts';
import { makeWaker } from '../../sql/waker.ts';
import { reconcile, type ReconcileDeps } from './reconcile.ts';

export interface Reconciler {
  start: () => void;
  wake: () => void;
  /** Resolves when nothing is under way any more. */
  stop: () => Promise<void>;
}

/** While something is not ready yet. */
const RETRY = 250;
const FAILED_PAUSE = 1_000;

interface ReconcilerDeps extends Omit<ReconcileDeps, 'onMoved' | 'onFailed'> {
  /** Where to listen for hints. */
  url: string;
  /** Milliseconds between looks at most, up to half as long again: how soon is seen what no hint told of. */
  pollInterval: number;
  log: Logger;
}

export function makeReconciler(deps: ReconcilerDeps): Reconciler {
  const waker = makeWaker();
  let stopped = false;
  let running = Promise.resolve();
  let deaf = () => Promise.resolve();

  async function run(): Promise<void> {
    for (;;) {
      if (stopped) return;
      await waker.sleep(await look(deps));
    }
  }

  return {
    start() {
      deaf = keepListening(
        deps.url,
        (hint) => 'moving' in hint && waker.wake(),
        () => waker.wake(),
        deps.log,
      );
      running = run();
    },
    wake: () => waker.wake(),
    async stop() {
      stopped = true;
      waker.wake();
      await running;
      await deaf();
    },
  };
}

/** How long to sleep. */
async function look(deps: ReconcilerDeps): Promise<number> {
  const { log, pollInterval } = deps;
  try {
    const { moved, waiting } = await reconcile({
      ...deps,
      onMoved: (what) => report(log, what),
      onFailed: (what, err) => log.error({ ...what, err }, 'cannot be moved on'),
    });
    if (moved > 0) return 0;
    return jitter(waiting > 0 ? RETRY : pollInterval);
  } catch (error) {
    if (isUnreachable(error)) log.debug({ err: error }, 'reconciling put off: the database is away');
    else log.error({ err: error }, 'reconciling failed; trying again');
    return jitter(FAILED_PAUSE);
  }
}

function report(log: Logger, { troubles, ...what }: Parameters<NonNullable<ReconcileDeps['onMoved']>>[0]) {
  log.info(what, 'moved on');
  for (const { componentId, reason } of troubles) log.warn({ ...what, component: componentId }, reason);
}

function jitter(pause: number): number {
  return pause * (1 + Math.random() / 2);
}
