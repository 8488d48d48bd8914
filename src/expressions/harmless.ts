// Whether an expression can be worked out on the main thread: it only picks, compares and joins what it is given, so that its cost is
// bounded by the length of its text times the size of that. Loops, functions, patterns and what can copy its data over and over
// are not of that kind. Called by parse.ts.

interface Node {
  type?: string;
  value?: unknown;
  steps?: Node[];
  procedure?: Node;
  arguments?: Node[];
  [key: string]: unknown;
}

const TYPES: ReadonlySet<string> = new Set([
  'path',
  'name',
  'variable',
  'string',
  'number',
  'value',
  'binary',
  'unary',
  'condition',
  'function',
  'block',
  'filter',
]);
/** What a path may go through: anything else is worked out once for each element. */
const STEPS: ReadonlySet<string> = new Set(['name']);
const FUNCTIONS: ReadonlySet<string> = new Set([
  'abs',
  'append',
  'average',
  'base64encode',
  'boolean',
  'ceil',
  'contains',
  'count',
  'encodeUrlComponent',
  'exists',
  'floor',
  'keys',
  'length',
  'lookup',
  'lowercase',
  'max',
  'millis',
  'min',
  'not',
  'now',
  'number',
  'parse',
  'round',
  'string',
  'substring',
  'substringAfter',
  'substringBefore',
  'sum',
  'trim',
  'type',
  'uppercase',
]);

export function isHarmless(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) return value.every(isHarmless);
  const node = value as Node;
  if (node.type !== undefined && !isHarmlessNode(node)) return false;
  return Object.values(node).every(isHarmless);
}

function isHarmlessNode(node: Node): boolean {
  const { type = '', value, steps = [] } = node;
  if (!TYPES.has(type) || 'group' in node || 'focus' in node || 'index' in node) return false;
  if (type === 'binary') return value !== '..';
  if (type === 'path') return steps.slice(1).every((step) => STEPS.has(step.type ?? ''));
  if (type === 'function') return isHarmlessCall(node);
  return true;
}

function isHarmlessCall({ procedure, arguments: given = [] }: Node): boolean {
  const name = procedure?.type === 'variable' ? String(procedure.value) : '';
  // The picture of a date is a pattern.
  return FUNCTIONS.has(name) && !(name === 'now' && given.length > 0);
}
