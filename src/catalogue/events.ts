// The errors of events: a part of the catalogue in errors.ts.
import { entry } from './entry.ts';

export const EVENT_ERRORS = {
  EVENT_ID_INVALID: entry(
    400,
    (d: { id: string }) =>
      `"${d.id}" is not the id of an event: send the last "id" that was received, or none.`,
  ),
  LISTENERS_FULL: entry(
    503,
    (d: { most: number }) => `${d.most} clients listen to events already; try again in a moment.`,
  ),
  CONSUMER_NOT_FOUND: entry(
    404,
    (d: { consumer: string }) => `No consumer of events is called "${d.consumer}".`,
  ),
  SUBSCRIPTION_NOT_FOUND: entry(
    404,
    (d: { subscription: string }) => `No subscription has the id "${d.subscription}".`,
  ),
  DELIVERY_NOT_FOUND: entry(
    404,
    (d: { delivery: string }) => `No delivery "${d.delivery}" of this subscription was given up.`,
  ),
  SUBSCRIPTION_EXISTS: entry(
    409,
    (d: { subscription: string }) => `The subscription id "${d.subscription}" is taken: choose another.`,
  ),
} as const;
