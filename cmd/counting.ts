// What a process counts of itself and of its database. Loaded by those that have somewhere to show it.
import manifest from '../package.json' with { type: 'json' };
import { addDatabaseMetrics } from '../src/metrics/database.ts';
import { makeMetrics, type Metrics } from '../src/metrics/metrics.ts';
import type { Base } from './service.ts';

export function makeOwnMetrics({ db, log }: Base): Metrics {
  const metrics = makeMetrics(manifest.version);
  addDatabaseMetrics(metrics.registry, db, log);
  return metrics;
}
