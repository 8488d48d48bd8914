// What the database tells: the queue, looked at now and then however often somebody asks, and this process's connections.
import type { Registry } from 'prom-client';
import type { Logger } from '../log.ts';
import type { Database } from '../sql/database.ts';
import { countWaitingForPlace, readQueue } from '../sql/queue.ts';
import { addGauge, addMetric } from './metric.ts';

/** Milliseconds for which a look at the queue is good. */
const FRESH = 5_000;

export function addDatabaseMetrics(registry: Registry, db: Database, log: Logger, fresh = FRESH): void {
  addQueueDepth(registry, db, log, fresh);
  addPlaces(registry, db, log, fresh);
  const { pool } = db;
  addGauge(registry, 'umbel_database_connections', 'Connections of this process.', () => pool.totalCount);
  addGauge(registry, 'umbel_database_connections_idle', 'Of those, idle.', () => pool.idleCount);
  addGauge(
    registry,
    'umbel_database_requests_waiting',
    'Statements of this process that wait for a connection.',
    () => pool.waitingCount,
  );
}

function addQueueDepth(registry: Registry, db: Database, log: Logger, fresh: number): void {
  const look = remember(() => readQueue(db), fresh, log);
  addMetric(registry, {
    name: 'umbel_queue_depth',
    help: 'Tasks of the whole database: ready to be claimed (50000: that many or more), claimed ahead, running.',
    type: 'gauge',
    read: async () =>
      ((await look()) ?? []).map(({ pool, priority, state, depth }) => ({
        labels: { pool, priority: String(priority), state },
        value: depth,
      })),
  });
}

function addPlaces(registry: Registry, db: Database, log: Logger, fresh: number): void {
  const look = remember(() => countWaitingForPlace(db), fresh, log);
  addMetric(registry, {
    name: 'umbel_executions_waiting_for_place',
    help: 'Executions of flows with max_running that wait for a place.',
    type: 'gauge',
    read: async () => {
      const waiting = await look();
      return waiting === undefined ? [] : [{ labels: {}, value: waiting }];
    },
  });
}

/** The last answer while it is fresh; callers meanwhile share one look. Undefined when the database did not answer. */
function remember<T>(look: () => Promise<T>, fresh: number, log: Logger): () => Promise<T | undefined> {
  let last: Promise<T | undefined> | undefined;
  let until = 0;
  return () => {
    if (last && performance.now() < until) return last;
    until = performance.now() + fresh;
    last = look().catch((error: unknown) => {
      log.debug({ err: error }, 'the queue could not be looked at for metrics');
      return undefined;
    });
    return last;
  };
}
