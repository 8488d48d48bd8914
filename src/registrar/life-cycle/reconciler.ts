// The reconciler of a process: looks after flows that start and stop, woken by whoever asks for it and by a poll. Any number of
// them work on one database. Made and stopped by cmd/.
import type { Logger } from '../../log.ts';
import { isUnreachable } from '../../sql/failures.ts';
import { reconcile, type ReconcileDeps } from './reconcile.ts';

export interface Reconciler {
  start: () => void;
  wake: () => void;
  /** Resolves when nothing is under way any more. */
  stop: () => Promise<void>;
}

/** Milliseconds between looks, each up to half as long again: what another process started is seen that soon. */
const POLL = 1_000;
/** While something is not ready yet. */
const RETRY = 250;

type ReconcilerDeps = Omit<ReconcileDeps, 'onMoved' | 'onFailed'> & { log: Logger };

export function makeReconciler(deps: ReconcilerDeps): Reconciler {
  const sleeper = makeSleeper();
  let stopped = false;
  let running = Promise.resolve();

  async function run(): Promise<void> {
    for (;;) {
      if (stopped) return;
      await sleeper.sleep(await look(deps));
    }
  }

  return {
    start() {
      running = run();
    },
    wake: () => sleeper.wake(),
    async stop() {
      stopped = true;
      sleeper.wake();
      await running;
    },
  };
}

/** How long to sleep. */
async function look(deps: ReconcilerDeps): Promise<number> {
  const { log } = deps;
  try {
    const { moved, waiting } = await reconcile({
      ...deps,
      onMoved: (what) => report(log, what),
      onFailed: (what, err) => log.error({ ...what, err }, 'cannot be moved on'),
    });
    if (moved > 0) return 0;
    return jitter(waiting > 0 ? RETRY : POLL);
  } catch (error) {
    if (isUnreachable(error)) log.debug({ err: error }, 'reconciling put off: the database is away');
    else log.error({ err: error }, 'reconciling failed; trying again');
    return jitter(POLL);
  }
}

function report(log: Logger, { troubles, ...what }: Parameters<NonNullable<ReconcileDeps['onMoved']>>[0]) {
  log.info(what, 'moved on');
  for (const { componentId, reason } of troubles) log.warn({ ...what, component: componentId }, reason);
}

function jitter(pause: number): number {
  return pause * (1 + Math.random() / 2);
}

/** Sleeps until it is woken; a wake that comes before is not lost. */
function makeSleeper() {
  let woken = false;
  let rouse = () => {};
  return {
    wake() {
      woken = true;
      rouse();
    },
    async sleep(pause: number): Promise<void> {
      if (!woken && pause > 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, pause);
          rouse = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      woken = false;
      rouse = () => {};
    },
  };
}
