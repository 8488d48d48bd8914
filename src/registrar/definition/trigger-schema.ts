// What a flow says of how it starts itself: the settings of its webhook and of its schedule. Part of schema.ts.
import { type TSchema, Type } from 'typebox';
import { closed, counting, listOf, nameText, optional, text } from './schema-parts.ts';

/** `flowSettings`, as Open Integration Hub has it. `duration` is the schema of durations. */
export function flowSettings<D extends TSchema>(duration: D) {
  const Auth = closed({
    type: optional(Type.Enum(['none', 'hmac', 'bearer', 'basic'])),
    header: optional(nameText(), 'where the signature stands; x-hmac'),
    algorithm: optional(Type.Enum(['sha256', 'sha1', 'sha512']), 'sha256'),
    encoding: optional(Type.Enum(['base64', 'hex']), 'base64'),
    secrets: optional(listOf(nameText(), 'names of secrets; any of them may have signed')),
    preset: optional(Type.Enum(['github', 'stripe', 'slack', 'standard'])),
    tolerance: optional(duration, 'how old a signed time may be; 5m'),
  });
  const Webhooks = closed({
    mode: optional(Type.Enum(['async', 'sync']), 'sync: the caller waits for the result'),
    timeout: optional(duration, 'how long it waits; 30s'),
    maxWaiters: optional(counting(1), 'callers that wait at once; 100'),
    maxBytes: optional(counting(1), 'of a body; 1 MiB'),
    rate: optional(closed({ limit: counting(1), per: duration }), 'calls in a time'),
    auth: optional(Auth),
  });
  const Schedule = closed({
    misfire: optional(Type.Enum(['none', 'last', 'all']), 'which missed times are made up for; last'),
    overlap: optional(
      Type.Enum(['allow', 'skip', 'queue', 'cancel-running']),
      'when the last one still runs; allow',
    ),
    catchUpWindow: optional(duration, 'how old a missed time may be; 1h'),
    jitter: optional(duration, 'fires up to so much later; 0'),
  });
  return closed({
    webhooks: optional(Webhooks, 'of a flow without cron'),
    schedule: optional(Schedule, 'of a flow with cron'),
  });
}

/** Keys of a flow that have a column of their own. */
export const TRIGGER_KEYS = {
  type: optional(text({ maxLength: 256 }), 'for people: what kind of flow it is'),
  cron: optional(
    text({ minLength: 1, maxLength: 256, examples: ['0 * * * *', '@daily'] }),
    'when it starts by itself',
  ),
  timezone: optional(
    text({ minLength: 1, maxLength: 256, examples: ['UTC', 'Europe/Berlin'] }),
    'the zone of cron; UTC',
  ),
};
