// What an expression looks at, read off its syntax tree: so that only those results are fetched, and that names can be checked
// before anything runs. Called by parse.ts.

export interface Reads {
  /** Variables by name, each with the keys that are read of it; `all` when that cannot be told. */
  variables: ReadonlyMap<string, ReadonlySet<string> | 'all'>;
  /** Whether it looks at what stands around it: `$`, `$$`, or a name without a variable before it. */
  context: boolean;
}

interface Node {
  type?: string;
  value?: unknown;
  steps?: Node[];
  [key: string]: unknown;
}

/** May say more than is read, never less. */
export function findReads(tree: object): Reads {
  const variables = new Map<string, Set<string> | 'all'>();
  const found = { context: false, parent: false };
  for (const node of listNodes(tree)) {
    if (node.type === 'parent') found.parent = true;
    if (node.type === 'wildcard' || node.type === 'descendant') found.context = true;
    if (node.type === 'path') found.context ||= node.steps?.[0]?.type === 'name';
    if (node.type !== 'variable') continue;
    if (node.value === '' || node.value === '$') found.context = true;
    else note(variables, String(node.value), node.key as string | undefined);
  }
  // `%` leads from a value back to what it stands in.
  if (found.parent) for (const name of variables.keys()) variables.set(name, 'all');
  return { variables, context: found.context };
}

function note(variables: Map<string, Set<string> | 'all'>, name: string, key: string | undefined): void {
  const keys = variables.get(name) ?? new Set();
  if (key === undefined) variables.set(name, 'all');
  else if (keys !== 'all') variables.set(name, keys.add(key));
}

/** Every node; a variable of which one key is taken comes with that `key`. */
function listNodes(tree: object): Node[] {
  const nodes: Node[] = [];
  const seen = new Set<object>();
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || value instanceof RegExp || seen.has(value)) return;
    seen.add(value);
    const [first, second, ...rest] = (value as Node).steps ?? [];
    if (first !== undefined && second !== undefined && isKeyOfVariable(first, second)) {
      nodes.push(value as Node, { ...first, key: second.value });
      seen.add(first);
      return [{ ...(value as Node), steps: undefined }, second, rest].forEach(visitParts);
    }
    if (!Array.isArray(value)) nodes.push(value as Node);
    visitParts(value);
  };
  const visitParts = (value: object) => Object.values(value).forEach(visit);
  visit(tree);
  return nodes;
}

/** `$steps.load`, with nothing between the variable and the name. */
function isKeyOfVariable(first: Node, second: Node): boolean {
  const isBare = Object.keys(first).every((key) => ['type', 'value', 'position'].includes(key));
  return (
    first.type === 'variable' && first.value !== '' && first.value !== '$' && isBare && second.type === 'name'
  );
}
