// The JSON Schema of a flow that editors use: docs/flow.schema.json. Called by scripts/flow-schema.ts.
import { Flow } from './schema.ts';
import { isSupported } from './supported.ts';

/** Without the keys that this version does not run, so that an editor does not offer them. */
export function publishSchema(): object {
  const schema = structuredClone(JSON.parse(JSON.stringify(Flow))) as Node;
  prune(schema, '');
  return { $schema: 'http://json-schema.org/draft-07/schema#', title: 'Umbel flow', ...schema };
}

interface Node {
  properties?: Record<string, Node>;
  items?: Node;
  anyOf?: Node[];
}

function prune(node: Node, prefix: string): void {
  if (node.anyOf !== undefined) for (const choice of node.anyOf) prune(choice, prefix);
  if (node.items !== undefined) prune(node.items, prefix);
  for (const [key, part] of Object.entries(node.properties ?? {})) {
    const name = prefix === '' ? key : `${prefix}.${key}`;
    if (isSupported(name)) prune(part, name);
    else delete node.properties?.[key];
  }
}
