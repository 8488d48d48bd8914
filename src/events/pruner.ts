// The background pruner of events: now and then deletes those that are old and that every consumer has handled. Started by cmd/.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../log.ts';
import type { Database } from '../sql/database.ts';
import { listConsumers } from '../sql/event-cursors.ts';
import { pruneEvents } from '../sql/events.ts';
import { isUnreachable } from '../sql/failures.ts';
import { pruneDeliveries } from '../sql/subscriptions.ts';
import type { Running } from './consumer.ts';

export interface EventPrunerOptions {
  db: Database;
  /** Milliseconds after which an event goes. */
  retention: number;
  /** Milliseconds between two passes. */
  every?: number;
  log: Logger;
}

const EVERY = 60_000;

export function startEventPruner(options: EventPrunerOptions): Running {
  const stopped = new AbortController();
  const running = prunePasses(options, stopped.signal);
  return {
    async stop() {
      stopped.abort();
      await running;
    },
  };
}

async function prunePasses(options: EventPrunerOptions, signal: AbortSignal): Promise<void> {
  const { every = EVERY } = options;
  while (!signal.aborted) {
    // Jittered, so that processes started together do not prune together.
    await sleep(every * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined);
    await prune(options, signal);
  }
}

async function prune({ db, retention, log }: EventPrunerOptions, signal: AbortSignal): Promise<void> {
  try {
    const events = await pruneEvents(db, { olderThan: retention, signal });
    const deliveries = await pruneDeliveries(db, retention);
    if (events + deliveries > 0) log.info({ events, deliveries }, 'pruned events');
    for (const { consumer, behind, oldest } of await listConsumers(db))
      if (oldest !== null && Date.now() - oldest.getTime() > retention)
        log.warn(
          { consumer, behind },
          'events are kept for a consumer that does not read them: `umbel events forget` gives it up',
        );
  } catch (error) {
    if (isUnreachable(error)) log.debug({ err: error }, 'pruning events put off: the database is away');
    else log.error({ err: error }, 'pruning events failed; trying again');
  }
}
