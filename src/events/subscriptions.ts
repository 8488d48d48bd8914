// Subscriptions as the outside may ask for them. Called by http/routes/subscriptions.ts and cmd/subscriptions.ts.
import { randomUUID } from 'node:crypto';
import { UmbelError } from '../errors.ts';
import type { Database } from '../sql/database.ts';
import {
  deleteSubscription,
  type DeliveryRow,
  insertSubscription,
  listDeliveries,
  listSubscriptions,
  reviveDelivery,
  type Subscription,
} from '../sql/subscriptions.ts';

export interface NewSubscription {
  id?: string | undefined;
  names: string[];
  flow?: string | null | undefined;
  url: string;
  secrets: string[];
}

export interface Subscriptions {
  /** Errors: `SUBSCRIPTION_EXISTS`, `BODY_INVALID`. */
  create: (tenant: string, given: NewSubscription) => Promise<Subscription>;
  list: (tenant: string) => Promise<Subscription[]>;
  /** Errors: `SUBSCRIPTION_NOT_FOUND`. */
  delete: (tenant: string, id: string) => Promise<void>;
  /** Newest first. Errors: `SUBSCRIPTION_NOT_FOUND`. */
  deliveries: (of: {
    tenant: string;
    subscription: string;
    status: string | null;
    limit: number;
  }) => Promise<DeliveryRow[]>;
  /** Sends one that was given up again. Errors: `DELIVERY_NOT_FOUND`. */
  retry: (of: { tenant: string; subscription: string; delivery: string }) => Promise<void>;
}

export function makeSubscriptions(db: Database): Subscriptions {
  return {
    async create(tenant, { id = randomUUID(), names, flow = null, url, secrets }) {
      const protocol = URL.parse(url)?.protocol;
      if (protocol !== 'http:' && protocol !== 'https:')
        throw new UmbelError('BODY_INVALID', {
          problems: [{ path: 'url', message: 'must be an address such as https://host/path' }],
        });
      const made = await insertSubscription(db, tenant, { id, names, flow, url, secrets });
      if (made === null) throw new UmbelError('SUBSCRIPTION_EXISTS', { subscription: id });
      return made;
    },
    list: (tenant) => listSubscriptions(db, tenant),
    async delete(tenant, id) {
      if (!(await deleteSubscription(db, tenant, id)))
        throw new UmbelError('SUBSCRIPTION_NOT_FOUND', { subscription: id });
    },
    async deliveries(of) {
      const rows = await listDeliveries(db, of);
      if (rows === null) throw new UmbelError('SUBSCRIPTION_NOT_FOUND', of);
      return rows;
    },
    async retry(of) {
      const isThere = /^\d{1,18}$/.test(of.delivery) && (await reviveDelivery(db, of));
      if (!isThere) throw new UmbelError('DELIVERY_NOT_FOUND', of);
    },
  };
}
