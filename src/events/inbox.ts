// What arrives from other services: their `flow.executed` registers an execution, once for each message. Called by rabbitmq.ts and nats.ts.
import { createHash } from 'node:crypto';
import type { Json, JsonObject } from '../dag/vocabulary.ts';
import { isUmbelError, messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';

export interface InboxDeps {
  /** The name of this installation: what it told itself is not carried out again. */
  service: string;
  register: (request: {
    flow: string;
    tenant: string;
    input: Json;
    idempotencyKey: string;
    trigger: Json;
  }) => Promise<unknown>;
  /** Whose flow it is; undefined: there is none of that name. */
  findTenant: (flow: string) => Promise<string | undefined>;
  log: Logger;
}

/** What a broker delivers; `id` is the sender's, if it gave one. */
export interface Delivery {
  id: string | undefined;
  body: Uint8Array;
}

/** Resolves when the message is done with: stored, or good for nothing. Rejects when it should come again. */
export type Inbox = (delivery: Delivery) => Promise<void>;

const LONGEST_KEY = 256;

export function makeInbox(deps: InboxDeps): Inbox {
  const { log, service } = deps;
  return async (delivery) => {
    const order = readOrder(delivery);
    if (order === null)
      return log.warn({ id: delivery.id }, 'a message was dropped: it is no flow.executed that names a flow');
    if (order.service === service) return;
    try {
      await registerOrder(deps, order);
    } catch (error) {
      if (!isUmbelError(error) || error.status >= 500) throw error;
      log.warn(
        { id: order.id, from: order.service, flow: order.flow },
        `a message was dropped: ${messageOf(error)}`,
      );
    }
  };
}

interface Order {
  id: string;
  service: string;
  flow: string;
  input: Json;
}

async function registerOrder({ register, findTenant, log }: InboxDeps, order: Order): Promise<void> {
  const { id, service, flow, input } = order;
  const tenant = await findTenant(flow);
  if (tenant === undefined)
    return log.debug({ id, from: service, flow }, 'a message was dropped: the flow is not here');
  const trigger = { kind: 'event', service, id };
  await register({ flow, tenant, input, idempotencyKey: keyOf(service, id), trigger });
}

function keyOf(service: string, id: string): string {
  const key = `event:${service}:${id}`;
  return key.length <= LONGEST_KEY ? key : `event:${createHash('sha256').update(key).digest('hex')}`;
}

/** `payload.flow`, text or an object with an id, `payload.flowId` or `payload.id` name the flow; the input is `payload.input` or `inputData`. */
function readOrder({ id, body }: Delivery): Order | null {
  const event = parse(body);
  if (!isObject(event) || !isObject(event['headers']) || !isObject(event['payload'])) return null;
  const { headers, payload } = event;
  const { name, serviceName: service } = headers;
  const given = isObject(payload['flow']) ? payload['flow']['id'] : payload['flow'];
  const flow = given ?? payload['flowId'] ?? payload['id'];
  if (name !== 'flow.executed' || typeof service !== 'string' || typeof flow !== 'string') return null;
  const own = typeof event['id'] === 'string' ? event['id'] : createHash('sha256').update(body).digest('hex');
  return { id: id ?? own, service, flow, input: payload['input'] ?? payload['inputData'] ?? null };
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
