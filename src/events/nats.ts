// NATS with JetStream: events go to the subject of their name, acknowledged; `flow.executed` comes through a durable consumer of our own.
// Made by cmd/ when NATS_URL is given.
import {
  AckPolicy,
  DeliverPolicy,
  jetstream,
  jetstreamManager,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
} from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { Event } from '../sql/events.ts';
import type { Broker } from './bridge.ts';
import type { Inbox } from './inbox.ts';
import { toBrokerMessage } from './message.ts';

export interface NatsOptions {
  url: string;
  /** The name of this installation; its consumer is called after it. */
  service: string;
}

/** Made unless another stream keeps the subject already. */
const STREAM = 'event-bus';
const CONNECT_MS = 10_000;
const ACK_MS = 10_000;
/** Messages taken at once. */
const MOST_AT_ONCE = 64;
/** Milliseconds before a message that could not be stored comes again. */
const GIVE_BACK_MS = 1_000;
const EXECUTED = 'flow.executed';

interface Link {
  connection: NatsConnection;
  client: JetStreamClient;
  manager: JetStreamManager;
  /** Subjects, as `flow.>`, that a stream is known to keep. */
  kept: Set<string>;
}

export function makeNats({ url, service }: NatsOptions): Broker {
  let linking: Promise<Link> | undefined;
  const link = () => {
    linking ??= open(url).catch((error: unknown) => {
      linking = undefined;
      throw error;
    });
    return linking;
  };
  const drop = async () => {
    const { connection } = (await linking?.catch(() => undefined)) ?? {};
    linking = undefined;
    await connection?.close();
  };
  return {
    async publish(events) {
      try {
        await publishAll(await link(), events, service);
      } catch (error) {
        await drop();
        throw error;
      }
    },
    async receive(inbox, signal) {
      const own = await open(url);
      try {
        await receive(own, service, inbox, signal);
      } finally {
        await own.connection.close();
      }
    },
    close: drop,
  };
}

/** Does not connect again by itself: what was under way then is not known, so the bridge begins anew. */
async function open(url: string): Promise<Link> {
  const { username, password, protocol, host } = new URL(url);
  const [user, pass] = [decodeURIComponent(username), decodeURIComponent(password)];
  const credentials = user === '' ? {} : pass === '' ? { token: user } : { user, pass };
  const tls = protocol === 'tls:' ? { tls: {} } : {};
  const connection = await connect({
    servers: host,
    timeout: CONNECT_MS,
    reconnect: false,
    pingInterval: 5_000,
    ...credentials,
    ...tls,
  });
  const manager = await jetstreamManager(connection);
  return { connection, client: jetstream(connection), manager, kept: new Set() };
}

async function publishAll(link: Link, events: Event[], service: string): Promise<void> {
  const messages = events.map((event) => toBrokerMessage(event, service));
  for (const { name } of messages) await keepSubject(link, name);
  const sent = messages.map(({ id, name, body }) =>
    link.client.publish(name, body, { msgID: id, timeout: ACK_MS }),
  );
  await Promise.all(sent);
}

/** Sees to it that a stream keeps what is published under the name: somebody's, else ours. */
async function keepSubject({ manager, kept }: Link, name: string): Promise<void> {
  const [first = name] = name.split('.');
  const subject = first === name ? name : `${first}.>`;
  if (kept.has(subject)) return;
  const isKept = await manager.streams.find(name).then(
    () => true,
    () => false,
  );
  if (!isKept) await addSubject(manager, subject);
  kept.add(subject);
}

async function addSubject(manager: JetStreamManager, subject: string): Promise<void> {
  const stream = await manager.streams.info(STREAM).catch(() => undefined);
  if (stream === undefined) await manager.streams.add({ name: STREAM, subjects: [subject] });
  else await manager.streams.update(STREAM, { subjects: [...new Set([...stream.config.subjects, subject])] });
}

async function receive(link: Link, service: string, inbox: Inbox, signal: AbortSignal): Promise<void> {
  const { client, manager, connection } = link;
  await keepSubject(link, EXECUTED);
  const stream = await manager.streams.find(EXECUTED);
  const durable = `${service}-flow-executed`.replaceAll(/[^A-Za-z0-9_-]/g, '_');
  const known = await manager.consumers.info(stream, durable).catch(() => undefined);
  if (known === undefined)
    await manager.consumers.add(stream, {
      durable_name: durable,
      filter_subject: EXECUTED,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.New,
    });
  const consumer = await client.consumers.get(stream, durable);
  const messages = await consumer.consume({ max_messages: MOST_AT_ONCE });
  const stop = () => messages.stop();
  signal.addEventListener('abort', stop, { once: true });
  void connection.closed().then(stop);
  try {
    for await (const message of messages) await settle(message, inbox);
  } finally {
    signal.removeEventListener('abort', stop);
  }
  if (!signal.aborted) throw new Error('the connection to NATS was lost');
}

async function settle(message: JsMsg, inbox: Inbox): Promise<void> {
  try {
    await inbox({ id: message.headers?.get('Nats-Msg-Id') || undefined, body: message.data });
  } catch {
    return message.nak(GIVE_BACK_MS);
  }
  message.ack();
}
