// The register server of a process, and what it counts. Called by up.ts and register.ts.
import type { Settings } from '../src/config.ts';
import { isLoopback } from '../src/config-read.ts';
import { makeSubscriptions } from '../src/events/subscriptions.ts';
import { makeApp } from '../src/http/app.ts';
import { serve, stopServing } from '../src/http/serve.ts';
import type { Metrics } from '../src/metrics/metrics.ts';
import { addRequestMetrics, countRegistrations } from '../src/metrics/server.ts';
import { makeRegistrar } from '../src/registrar/registrar.ts';
import { makeHinter } from '../src/sql/hinter.ts';
import { makeSchedules } from '../src/triggers/schedules.ts';
import type { Watcher } from '../src/watcher/watcher.ts';
import { makeEventing } from './eventing.ts';
import { makeOwnReconciler } from './reconciling.ts';
import { startHooks } from './hooks.ts';
import type { Base } from './service.ts';

export interface RegisterServer {
  address: string;
  /** Tasks of these executions ended in this process. */
  hear: (executions: string[]) => void;
  stop: () => Promise<void>;
}

/** Starts the register server; `wakeOwn` is told of what this process registered, besides the other processes. */
export async function startRegisterServer(
  base: Base,
  metrics: Metrics,
  wakeOwn: Watcher['hint'] = () => {},
): Promise<RegisterServer> {
  const { settings, db, log } = base;
  const reconciler = makeOwnReconciler(base);
  const registrar = makeRegistrar({ db, wake: makeWake(base, wakeOwn), onMoving: reconciler.wake });
  const register = countRegistrations(metrics.registry, registrar.register);
  const hooks = startHooks(base, { ...registrar, register }, metrics);
  const eventing = makeEventing(base, register);
  let address = '';
  const app = await makeApp({
    ...registrar,
    events: eventing.hub,
    subscriptions: makeSubscriptions(db),
    schedules: makeSchedules(db),
    register,
    hooks,
    readMetrics: metrics.read,
    observeRequest: addRequestMetrics(metrics.registry),
    publicUrl: () => (settings.port === 0 ? address : settings.publicUrl),
    hosts: ownHosts(settings),
    log,
  });
  address = await serve(app, settings);
  reconciler.start();
  await eventing.start();
  return {
    address,
    hear: hooks.hear,
    async stop() {
      await stopServing(app);
      await hooks.stop();
      await reconciler.stop();
      await eventing.stop();
    },
  };
}

function makeWake({ db, log }: Base, wakeOwn: Watcher['hint']): Watcher['hint'] {
  const hinter = makeHinter(db, log);
  return (pool, priority) => {
    wakeOwn(pool, priority);
    hinter.hint(pool, priority);
  };
}

/** While everybody on this machine may use it, no other name may lead to it. */
function ownHosts({ host, auth, publicUrl }: Settings): ReadonlySet<string> | undefined {
  return auth === 'off' && isLoopback(host) ? new Set([new URL(publicUrl).hostname]) : undefined;
}
