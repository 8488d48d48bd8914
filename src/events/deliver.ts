// Sends events to subscribers: a consumer makes a delivery of each event for each that wants it, a loop sends what is due, retries
// and in the end gives up. Any number of processes do so together. Started by cmd/.
import { messageOf } from '../errors.ts';
import { isUnreachable } from '../sql/failures.ts';
import {
  claimDeliveries,
  type DueDelivery,
  type KeptEvent,
  makeDeliveries,
  readNextDelivery,
  settleDelivery,
} from '../sql/subscriptions.ts';
import { type ConsumerDeps, type Running, startConsumer } from './consumer.ts';
import { signHeaders } from './sign.ts';

/** Sends a body by POST, within the outbound policy; gives the status of the answer. */
export type Post = (call: {
  url: string;
  headers: Record<string, string>;
  body: string;
  signal: AbortSignal;
}) => Promise<number>;

export interface DeliverDeps extends ConsumerDeps {
  post: Post;
  /** The secret of a name; undefined: there is none. */
  findSecret: (name: string) => string | undefined;
  /** Milliseconds after each failed attempt; after the last one it is given up. */
  delays?: readonly number[];
}

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const DELAYS = [5 * SECOND, 60 * SECOND, 300 * SECOND, HOUR / 2, 2 * HOUR, 5 * HOUR, 10 * HOUR];
const TIMEOUT = 15 * SECOND;
/** Longer than an attempt takes. */
const LEASE = 60 * SECOND;
const AT_ONCE = 32;
const POLL = SECOND;
/** The receiver says that it wants no more. */
const GONE = 410;

export function startDelivering(deps: DeliverDeps): Running {
  const stopped = new AbortController();
  const consumer = startConsumer(deps, {
    name: 'subscriptions',
    async handleIn(tx, events) {
      await makeDeliveries(
        tx,
        events.map(({ id }) => id),
      );
    },
  });
  const sending = sendDue(deps, stopped.signal);
  return {
    async stop() {
      stopped.abort();
      await Promise.all([consumer.stop(), sending]);
    },
  };
}

async function sendDue(deps: DeliverDeps, stopped: AbortSignal): Promise<void> {
  const { db, bell, log, poll = POLL } = deps;
  while (!stopped.aborted) {
    const heard = bell.count();
    try {
      const due = await claimDeliveries(db, { most: AT_ONCE, lease: LEASE });
      await Promise.all(due.map((delivery) => send(deps, delivery, stopped)));
      if (due.length > 0) continue;
      const next = (await readNextDelivery(db)) ?? poll;
      // What the consumer is about to make is not there yet when the bell rings for its event: so the pause is short.
      await bell.wait(heard, Math.min(next, poll) * (0.75 + Math.random() * 0.5) + 1, stopped);
    } catch (error) {
      if (!isUnreachable(error)) log.error({ err: error }, 'deliveries were not sent; trying again');
      await bell.wait(bell.count(), poll, stopped);
    }
  }
}

async function send(deps: DeliverDeps, delivery: DueDelivery, stopped: AbortSignal): Promise<void> {
  const { db, delays = DELAYS } = deps;
  const { id, attempts } = delivery;
  const { answer, error } = await attempt(deps, delivery, stopped);
  // Cut short by our own end: it counts for nothing, and is due again when the lease is over.
  if (stopped.aborted && answer === null)
    return settleDelivery(db, { id, attempts, status: 'pending', delay: 0, answer, error });
  const isDelivered = answer !== null && answer >= 200 && answer < 300;
  const delay = answer === GONE ? undefined : delays[attempts - 1];
  const status = isDelivered ? 'delivered' : delay === undefined ? 'dead' : 'pending';
  if (status === 'dead')
    deps.log.warn({ delivery: id, url: originOf(delivery.url), answer, error }, 'a delivery was given up');
  await settleDelivery(db, {
    id,
    attempts,
    status,
    delay: jitter(delay ?? 0),
    answer,
    error: isDelivered ? null : error,
  });
}

async function attempt(deps: DeliverDeps, { event, url, secrets }: DueDelivery, stopped: AbortSignal) {
  try {
    const found = secrets.map((name) => findSecret(deps, name));
    const body = JSON.stringify(withService(event, deps.service));
    const signed = signHeaders(
      { id: `${deps.service}-${event.id}`, timestamp: Math.floor(Date.now() / 1000), body },
      found,
    );
    const headers = { 'content-type': 'application/json', ...signed };
    const answer = await deps.post({
      url,
      headers,
      body,
      signal: AbortSignal.any([stopped, AbortSignal.timeout(TIMEOUT)]),
    });
    return { answer, error: `answered ${answer}` };
  } catch (error) {
    return { answer: null, error: messageOf(error).slice(0, 1000) };
  }
}

function findSecret({ findSecret }: DeliverDeps, name: string): string {
  const secret = findSecret(name);
  if (secret === undefined) throw new Error(`there is no secret "${name}"`);
  return secret;
}

function withService({ id, headers, payload }: KeptEvent, service: string) {
  return { id, headers: { ...headers, serviceName: headers.serviceName ?? service }, payload };
}

function originOf(url: string): string {
  return URL.parse(url)?.origin ?? '';
}

function jitter(ms: number): number {
  return ms * (0.75 + Math.random() * 0.5);
}
