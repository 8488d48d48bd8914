// Events as brokers carry them. Called by rabbitmq.ts and nats.ts.
import type { Event } from '../sql/events.ts';

export interface BrokerMessage {
  /** The same whenever the event is sent, and no other installation's: brokers and receivers drop repeats by it. */
  id: string;
  /** Routing key, or subject. */
  name: string;
  body: Buffer;
}

export function toBrokerMessage({ id, headers, payload }: Event, service: string): BrokerMessage {
  return {
    id: `${service}-${id}`,
    // What would be a wildcard, or end the name, in a subject.
    name: headers.name.replaceAll(/[\s*>]/g, '_'),
    body: Buffer.from(JSON.stringify({ id, headers, payload })),
  };
}
