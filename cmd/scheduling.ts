// The scheduler of a process. Called by up.ts and schedule.ts.
import type { Metrics } from '../src/metrics/metrics.ts';
import { addScheduleMetrics } from '../src/metrics/scheduler.ts';
import { makeManyRegistrar } from '../src/registrar/register-many.ts';
import { makeHinter } from '../src/sql/hinter.ts';
import { makeScheduler, type Scheduler } from '../src/triggers/scheduler.ts';
import type { Watcher } from '../src/watcher/watcher.ts';
import type { Base } from './service.ts';

/** `wakeOwn` is told of what this process registered, besides the other processes. */
export function makeOwnScheduler(
  { settings: { pollInterval }, db, url, log }: Base,
  metrics?: Metrics,
  wakeOwn: Watcher['hint'] = () => {},
): Scheduler {
  const hinter = makeHinter(db, log);
  const registrar = makeManyRegistrar(db, (pool, priority) => {
    wakeOwn(pool, priority);
    hinter.hint(pool, priority);
  });
  const onTurn = metrics === undefined ? {} : { onTurn: addScheduleMetrics(metrics.registry) };
  return makeScheduler({ db, url, registrar, pollInterval, log, ...onTurn });
}
