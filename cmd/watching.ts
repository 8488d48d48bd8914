// The watcher of a process, with its programs and what it does besides. Called by up.ts and watch.ts.
import manifest from '../package.json' with { type: 'json' };
import type { Settings } from '../src/config.ts';
import type { Metrics } from '../src/metrics/metrics.ts';
import { makeBuiltinPrograms, type Services } from '../src/programs/builtin.ts';
import { withComponents } from '../src/programs/component-program.ts';
import { makeCallOut } from '../src/programs/outbound.ts';
import { makeProcesses } from '../src/programs/processes.ts';
import type { Program } from '../src/programs/program.ts';
import { makeRegistry, type Registry } from '../src/programs/registry.ts';
import { makeComponentFinder } from '../src/watcher/find-component.ts';
import { writeReply } from '../src/sql/hook-replies.ts';
import { startPruner } from '../src/watcher/pruner.ts';
import { makeWatcher, type Watcher } from '../src/watcher/watcher.ts';
import type { Base } from './service.ts';
import { makeStarter } from './starting.ts';

/** The built-in programs and those of `--programs`. */
export async function makeProgramRegistry(
  { programs, outboundAllow }: Settings,
  services?: Services,
): Promise<Registry> {
  const builtin = makeBuiltinPrograms(makeCallOut(outboundAllow), services);
  return makeRegistry([...builtin, ...(programs === undefined ? [] : await loadOwn(programs))]);
}

async function loadOwn(dir: string): Promise<Program[]> {
  const { loadPrograms } = await import('../src/programs/load.ts');
  return loadPrograms(dir);
}

/** With a component for what is no program. */
async function makeOwnRegistry(settings: Settings, services: Services): Promise<Registry> {
  return withComponents(await makeProgramRegistry(settings, services), {
    findComponent: services.findComponent,
    callOut: makeCallOut(settings.outboundAllow),
    processes: makeProcesses(settings.processAllow, settings.processEnv),
  });
}

/** The watcher of this process; its metrics are counted when there is somewhere to, and `onSettled` is told of whose tasks ended. */
export async function makeOwnWatcher(
  base: Base,
  metrics?: Metrics,
  onSettled?: (executions: string[]) => void,
): Promise<Watcher> {
  const { settings, db, url, log } = base;
  const { pool, workers, pollInterval, lease, publicUrl, findSecret } = settings;
  const components = makeComponentFinder(db);
  const registry = await makeOwnRegistry(settings, {
    writeReply: (...reply) => writeReply(db, ...reply),
    findComponent: components.find,
  });
  const metering = metrics && { ...(await import('../src/metrics/watcher.ts')), registry: metrics.registry };
  const count = metering?.addTurnMetrics(metering.registry);
  const watcher: Watcher = makeWatcher({
    db,
    url,
    registry,
    log,
    pool,
    workers,
    pollInterval,
    lease,
    publicUrl,
    onComponents: components.forget,
    startExecution: makeStarter(base, (pool, priority) => watcher.hint(pool, priority)),
    release: manifest.version,
    findSecret,
    onTurn(call, answer, ms) {
      count?.(call, answer, ms);
      if (call.ended.length > 0) onSettled?.(call.ended.map(({ flow }) => flow));
    },
  });
  metering?.addWatcherMetrics(metering.registry, () => watcher.look());
  return withPruner(watcher, base);
}

/** The watcher, pruning besides when RETENTION says so. */
function withPruner(watcher: Watcher, { settings: { retention }, db, log }: Base): Watcher {
  if (retention === 'never') return watcher;
  let pruner: ReturnType<typeof startPruner> | undefined;
  return {
    ...watcher,
    async start() {
      await watcher.start();
      pruner = startPruner({ db, retention, log });
    },
    async stop(grace) {
      await pruner?.stop();
      await watcher.stop(grace);
    },
  };
}
