// A parameter schema seen as plain JSON Schema: what conversion and problem texts look at.
import type { Json } from '../dag/vocabulary.ts';

export interface SchemaNode {
  type?: string;
  const?: Json;
  enum?: Json[];
  anyOf?: SchemaNode[];
  properties?: Record<string, SchemaNode>;
  items?: SchemaNode;
  required?: string[];
  /** Replaces the description made from the type: `must be <title>`. */
  title?: string;
  description?: string;
  default?: Json;
  /** The value may be a secret: never repeated in a problem text. */
  writeOnly?: boolean;
}

const KINDS: Record<string, string> = {
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  string: 'text',
  object: 'an object',
  array: 'a list',
  null: 'null',
};

/** What a value must be, in words: `a whole number`, `"a" or "b"`. */
export function describeSchema(node: SchemaNode): string {
  if (node.title !== undefined) return node.title;
  if (node.const !== undefined) return JSON.stringify(node.const);
  const choices = node.enum?.map((value) => JSON.stringify(value)) ?? node.anyOf?.map(describeSchema);
  if (choices) return joinChoices(choices);
  return KINDS[node.type ?? ''] ?? 'something else';
}

function joinChoices(choices: string[]): string {
  const last = choices.at(-1) ?? 'nothing';
  return choices.length < 2 ? last : `${choices.slice(0, -1).join(', ')} or ${last}`;
}

/** The node at a JSON pointer such as `#/properties/a`; undefined when the pointer leads elsewhere. */
export function schemaAt(root: SchemaNode, pointer: string): SchemaNode | undefined {
  return pointerKeys(pointer).reduce<unknown>(
    (node, key) =>
      typeof node === 'object' && node !== null ? (node as Record<string, unknown>)[key] : undefined,
    root,
  ) as SchemaNode | undefined;
}

/** The keys of a JSON pointer, unescaped; a leading `#` is passed over. */
export function pointerKeys(pointer: string): string[] {
  const keys = pointer.split('/').slice(1);
  return keys.map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
}
