// The real brokers of this machine, for tests of the bridges: what others see there, and send.
import { connect as dial } from 'node:net';
import { AckPolicy, DeliverPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect as connectNats, headers } from '@nats-io/transport-node';
import { connect as connectRabbit } from 'amqplib';
import type { Broker } from '../../src/events/bridge.ts';
import { makeNats } from '../../src/events/nats.ts';
import { makeRabbit } from '../../src/events/rabbitmq.ts';

export interface SeenMessage {
  id: string | undefined;
  name: string;
  body: unknown;
}
export interface Outsider {
  seen: SeenMessage[];
  send: (name: string, body: unknown, id?: string) => Promise<void>;
  close: () => Promise<void>;
}
export interface BrokerKind {
  name: string;
  url: string;
  make: (options: { url: string; service: string }) => Broker;
  /** Hears what is published under the name, until it is closed; `service` is the installation that it cleans up after. */
  join: (name: string, service: string) => Promise<Outsider>;
}

const RABBITMQ_URL = 'amqp://guest:guest@127.0.0.1:5672';
const NATS_URL = 'nats://127.0.0.1:4222';

/** Those that answer; of the others a notice is printed. */
export async function findBrokers(): Promise<BrokerKind[]> {
  const kinds: BrokerKind[] = [
    { name: 'RabbitMQ', url: RABBITMQ_URL, make: makeRabbit, join: joinRabbit },
    { name: 'NATS', url: NATS_URL, make: makeNats, join: joinNats },
  ];
  const found = await Promise.all(kinds.map(async (kind) => ((await answers(kind.url)) ? [kind] : [])));
  for (const { name, url } of kinds.filter((_, at) => found[at]!.length === 0))
    process.stderr.write(`SKIPPED: no ${name} answers at ${new URL(url).host}\n`);
  return found.flat();
}

function answers(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = dial({ host: hostname, port: Number(port), timeout: 2_000 });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket
      .once('connect', () => end(true))
      .once('error', () => end(false))
      .once('timeout', () => end(false));
  });
}

async function joinRabbit(name: string, service: string): Promise<Outsider> {
  const model = await connectRabbit(RABBITMQ_URL);
  const channel = await model.createConfirmChannel();
  await channel.assertExchange('event-bus', 'topic', { durable: true });
  const { queue } = await channel.assertQueue('', { exclusive: true });
  await channel.bindQueue(queue, 'event-bus', name);
  const seen: SeenMessage[] = [];
  await channel.consume(queue, (message) => {
    if (message === null) return;
    const { messageId: id } = message.properties as { messageId?: string };
    seen.push({ id, name: message.fields.routingKey, body: JSON.parse(message.content.toString()) });
    channel.ack(message);
  });
  return {
    seen,
    async send(routingKey, body, messageId) {
      channel.publish(
        'event-bus',
        routingKey,
        Buffer.from(JSON.stringify(body)),
        messageId === undefined ? {} : { messageId },
      );
      await channel.waitForConfirms();
    },
    async close() {
      await channel.deleteQueue(`${service}.flow.executed`);
      await model.close();
    },
  };
}

async function joinNats(name: string, service: string): Promise<Outsider> {
  const connection = await connectNats({ servers: new URL(NATS_URL).host });
  const manager = await jetstreamManager(connection);
  const stream = await manager.streams.find('flow.executed').catch(async () => {
    await manager.streams.add({ name: 'event-bus', subjects: ['flow.>'] });
    return 'event-bus';
  });
  const { name: own } = await manager.consumers.add(stream, {
    filter_subject: name,
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.New,
  });
  const consumer = await jetstream(connection).consumers.get(stream, own);
  const messages = await consumer.consume();
  const seen: SeenMessage[] = [];
  const reading = (async () => {
    for await (const message of messages)
      seen.push({ id: message.headers?.get('Nats-Msg-Id'), name: message.subject, body: message.json() });
  })();
  return {
    seen,
    async send(subject, body, id) {
      // Not as its message id: the stream would drop the repeat that the test is about.
      const given = headers();
      if (id !== undefined) given.set('Umbel-Test', id);
      await jetstream(connection).publish(subject, JSON.stringify(body), { headers: given });
    },
    async close() {
      messages.stop();
      await reading;
      await manager.consumers.delete(stream, own);
      await manager.consumers.delete(stream, `${service}-flow-executed`).catch(() => false);
      await connection.close();
    },
  };
}
