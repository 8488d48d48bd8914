// A bridge to a broker: a consumer that publishes every event there, and a receiver that takes what others send. Started by cmd/.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../log.ts';
import type { Event } from '../sql/events.ts';
import { type ConsumerDeps, type Running, startConsumer } from './consumer.ts';
import type { Inbox } from './inbox.ts';

export interface Broker {
  /** Resolves when the broker has all of them for certain. */
  publish: (events: Event[]) => Promise<void>;
  /** Receives until the signal aborts, or rejects when the connection is lost. */
  receive: (inbox: Inbox, signal: AbortSignal) => Promise<void>;
  close: () => Promise<void>;
}

const LONGEST_PAUSE = 30_000;

/** `name`: of the consumer, `bridge.nats`. A new one begins with what happens now. */
export function startBridge(
  deps: ConsumerDeps,
  { name, broker, inbox }: { name: string; broker: Broker; inbox: Inbox },
): Running {
  const stopped = new AbortController();
  const sending = startConsumer(deps, { name, handle: (events) => broker.publish(events) });
  const receiving = receiveOn(broker, inbox, { name, log: deps.log, signal: stopped.signal });
  return {
    async stop() {
      stopped.abort();
      await Promise.all([sending.stop(), receiving]);
      await broker.close();
    },
  };
}

interface Receiving {
  name: string;
  log: Logger;
  signal: AbortSignal;
}

async function receiveOn(broker: Broker, inbox: Inbox, { name, log, signal }: Receiving): Promise<void> {
  for (let pause = 250; !signal.aborted; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
    const began = performance.now();
    try {
      await broker.receive(inbox, signal);
    } catch (error) {
      log.warn({ err: error, bridge: name }, 'nothing is received; connecting again');
    }
    if (performance.now() - began > LONGEST_PAUSE) pause = 250;
    await sleep(pause * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined);
  }
}
