// RabbitMQ: events go to the topic exchange `event-bus` under their name, confirmed; `flow.executed` comes from a queue of our own.
// Made by cmd/ when RABBITMQ_URL is given.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Channel, type ChannelModel, type ConfirmChannel, connect } from 'amqplib';
import type { Event } from '../sql/events.ts';
import type { Broker } from './bridge.ts';
import type { Inbox } from './inbox.ts';
import { toBrokerMessage } from './message.ts';

export interface RabbitOptions {
  url: string;
  /** The name of this installation; its queue is called after it. */
  service: string;
}

const EXCHANGE = 'event-bus';
const CONNECT_MS = 10_000;
const CONFIRM_MS = 30_000;
/** Seconds of silence after which a connection counts as broken, unless the URL says otherwise. */
const HEARTBEAT = 10;
/** Messages taken at once. */
const PREFETCH = 64;
/** Milliseconds before a message that could not be stored is given back. */
const GIVE_BACK_MS = 1_000;

export function makeRabbit({ url, service }: RabbitOptions): Broker {
  let sending: Promise<{ model: ChannelModel; channel: ConfirmChannel }> | undefined;

  const openSender = async () => {
    const model = await open(url);
    const channel = await model.createConfirmChannel();
    const forget = () => (sending = undefined);
    channel.on('close', forget).on('error', forget);
    await channel.assertExchange(EXCHANGE, 'topic', { durable: true });
    return { model, channel };
  };
  return {
    async publish(events) {
      sending ??= openSender();
      const { model, channel } = await sending.catch((error: unknown) => {
        sending = undefined;
        throw error;
      });
      try {
        await publishAll(channel, events, service);
      } catch (error) {
        sending = undefined;
        void model.close().catch(() => undefined);
        throw error;
      }
    },
    receive: (inbox, signal) => receive(url, service, inbox, signal),
    async close() {
      const { model } = (await sending?.catch(() => undefined)) ?? {};
      await model?.close().catch(() => undefined);
    },
  };
}

async function open(url: string): Promise<ChannelModel> {
  const address = new URL(url);
  if (!address.searchParams.has('heartbeat')) address.searchParams.set('heartbeat', String(HEARTBEAT));
  const model = await connect(address.href, { timeout: CONNECT_MS });
  // Without a listener an error would end the process; the channels' promises tell of it.
  model.on('error', () => undefined);
  return model;
}

async function publishAll(channel: ConfirmChannel, events: Event[], service: string): Promise<void> {
  const limit = new AbortController();
  const lost = Promise.race([
    once(channel, 'close', { signal: limit.signal }),
    sleep(CONFIRM_MS, undefined, { signal: limit.signal, ref: false }),
  ]).then(() => Promise.reject(new Error('RabbitMQ did not confirm what was published')));
  try {
    for (const event of events) {
      const { id, name, body } = toBrokerMessage(event, service);
      const options = { messageId: id, appId: service, persistent: true, contentType: 'application/json' };
      channel.publish(EXCHANGE, name, body, {
        ...options,
        timestamp: Math.floor(Date.parse(event.headers.createdAt) / 1000),
      });
    }
    await Promise.race([channel.waitForConfirms(), lost]);
  } finally {
    lost.catch(() => undefined);
    limit.abort();
  }
}

async function receive(url: string, service: string, inbox: Inbox, signal: AbortSignal): Promise<void> {
  const model = await open(url);
  const underWay = new Set<Promise<void>>();
  try {
    const channel = await model.createChannel();
    const closed = once(channel, 'close', { signal }).catch(() => undefined);
    channel.on('error', () => undefined);
    const queue = await bindQueue(channel, service);
    const { consumerTag } = await channel.consume(queue, (message) => {
      if (message === null) return void channel.close().catch(() => undefined);
      const delivery = { id: message.properties.messageId as string | undefined, body: message.content };
      const handled = settle(inbox(delivery), {
        ack: () => channel.ack(message),
        giveBack: () => channel.nack(message),
      }).finally(() => underWay.delete(handled));
      underWay.add(handled);
    });
    await closed;
    if (!signal.aborted) throw new Error('the connection to RabbitMQ was lost');
    await channel.cancel(consumerTag);
    await Promise.all(underWay);
  } finally {
    await model.close().catch(() => undefined);
  }
}

async function bindQueue(channel: Channel, service: string): Promise<string> {
  await channel.assertExchange(EXCHANGE, 'topic', { durable: true });
  const { queue } = await channel.assertQueue(`${service}.flow.executed`, { durable: true });
  await channel.bindQueue(queue, EXCHANGE, 'flow.executed');
  await channel.prefetch(PREFETCH);
  return queue;
}

/** Acknowledges what was stored and gives back what was not; on a channel that is gone the broker does that by itself. */
async function settle(
  storing: Promise<void>,
  { ack, giveBack }: { ack: () => void; giveBack: () => void },
): Promise<void> {
  try {
    await storing;
  } catch {
    await sleep(GIVE_BACK_MS);
    return attempt(giveBack);
  }
  attempt(ack);
}

function attempt(act: () => void): void {
  try {
    act();
  } catch {
    // The channel has closed: the message comes again, and is stored once.
  }
}
