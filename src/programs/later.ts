// How a program ends an attempt without ending its task: it is run again later, and holds no worker until then.
import { parseDuration } from '../dag/duration.ts';
import type { Json } from '../dag/vocabulary.ts';

/** What such a program returns. */
export interface Later {
  /** Milliseconds. */
  readonly delay: number;
  readonly checkpoint: Json;
}

// Symbol.for: made through another copy of this package, it is still recognised.
const BRAND = Symbol.for('umbel.later');

/** Return this to be run again after `duration` (milliseconds or text such as `30s`); `checkpoint` is `context.checkpoint` then. */
export function runAgainAfter(duration: number | string, checkpoint: Json = null): Later {
  const delay = parseDuration(duration);
  if (delay === undefined)
    throw new TypeError(`runAgainAfter: "${duration}" is not a duration such as 500ms, 30s or 5m`);
  return Object.freeze(Object.defineProperty({ delay, checkpoint }, BRAND, { value: true }));
}

export function isLater(value: unknown): value is Later {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, BRAND);
}
