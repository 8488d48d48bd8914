// The shape of a component, as the API takes it. Checked by components.ts.
import { type Static, Type } from 'typebox';
import { closed, counting, nameText, optional, text } from '../definition/schema-parts.ts';
import { Duration } from '../definition/schema.ts';

const KINDS = ['program', 'http', 'process'] as const;

/** What each kind takes besides, and what it must have. */
export const OF_KIND = {
  program: { keys: [], required: [] },
  http: { keys: ['address', 'health', 'timeout'], required: ['address'] },
  process: { keys: ['argv', 'mode', 'timeout', 'maxBytes'], required: ['argv'] },
} as const;

const URL_FORM = {
  minLength: 1,
  maxLength: 2048,
  pattern: '^https?://[^?#\\s]+$',
  title: 'an http or https URL without ? and #',
};

export const ComponentShape = closed({
  id: nameText({ description: 'what nodes name as componentId; without a dot' }),
  name: optional(text({ maxLength: 256 }), 'for people'),
  description: optional(text({ maxLength: 4096 })),
  kind: Type.Enum([...KINDS]),
  isGlobal: optional(Type.Boolean(), 'started and stopped by hand, shared by flows'),
  address: optional(text(URL_FORM), 'of http: where it is called, functions below it'),
  health: optional(text(URL_FORM), 'of http: what answers 2xx when it is ready; the address'),
  timeout: optional(Duration, 'of a call; 30s'),
  argv: optional(
    Type.Array(text({ minLength: 1 }), { minItems: 1, description: 'of process: command and arguments' }),
  ),
  mode: optional(Type.Enum(['async', 'sync']), 'of process; async: one a message, sync: stands by'),
  maxBytes: optional(counting(1), 'of a result; 1 MiB'),
});

export type ComponentDefinition = Static<typeof ComponentShape>;
