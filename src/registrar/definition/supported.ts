// What of the shapes this version runs. The rest of schema.ts is refused by name instead of being stored and not done.
// Called by check.ts. A key that the engine learns is added to the list.
import type { Problem } from '../../dag/vocabulary.ts';

/** Keys below one that stands in PARTLY are listed one by one. */
const SUPPORTED: ReadonlySet<string> = new Set([
  'id',
  'name',
  'description',
  'maxRunning',
  'announce',
  'inputSchema',
  'type',
  'cron',
  'timezone',
  'flowSettings',
  'deadline',
  'onFailure',
  'defaults',
  'failFast',
  'defaults.priority',
  'defaults.pool',
  'defaults.retry',
  'defaults.timeout',
  'defaults.timeout.attempt',
  'defaults.timeout.heartbeat',
  'defaults.timeout.total',
  'defaults.timeout.queue',
  'steps',
  'steps.id',
  'steps.name',
  'steps.description',
  'steps.program',
  'steps.params',
  'steps.priority',
  'steps.pool',
  'steps.after',
  'steps.before',
  'steps.join',
  'steps.edges',
  'steps.when',
  'steps.input',
  'steps.output',
  'steps.select',
  'steps.retry',
  'steps.timeout',
  'steps.timeout.attempt',
  'steps.catch',
  'steps.fallback',
  'steps.timeout.heartbeat',
  'steps.timeout.total',
  'steps.timeout.queue',
  'steps.allowFail',
  'steps.concurrency',
  'steps.rate',
  'steps.conditions',
  'steps.edgeIds',
  'steps.credentials_id',
  'steps.nodeSettings',
  'steps.awaitCallback',
]);
const PARTLY: ReadonlySet<string> = new Set(['defaults', 'defaults.timeout', 'steps', 'steps.timeout']);

/** `name` is that of a key with what it stands under: `steps.timeout.attempt`. */
export function isSupported(name: string): boolean {
  const above = name.slice(0, name.lastIndexOf('.'));
  const isListed = !name.includes('.') || PARTLY.has(above);
  return isListed ? SUPPORTED.has(name) : isSupported(above);
}

/** `prefix` is what `value` stands under in the list: `steps` for a step, nothing for a flow. */
export function findUnsupported(value: unknown, known: object, prefix: string, path: string): Problem[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  const properties = propertiesOf(known);
  return Object.entries(value).flatMap(([key, part]) => {
    if (part === undefined || !Object.hasOwn(properties, key)) return [];
    const name = prefix === '' ? key : `${prefix}.${key}`;
    const at = path === '' ? key : `${path}.${key}`;
    if (!isSupported(name)) return [{ path: at, message: 'is not supported by this version; leave it out' }];
    if (!PARTLY.has(name) || name === 'steps') return [];
    return findUnsupported(part, properties[key] ?? {}, name, at);
  });
}

/** Those of the alternative that is an object, where there are several. */
function propertiesOf(schema: object): Record<string, object> {
  const { properties, anyOf = [] } = schema as { properties?: Record<string, object>; anyOf?: object[] };
  return properties ?? anyOf.map(propertiesOf).find((found) => Object.keys(found).length > 0) ?? {};
}
