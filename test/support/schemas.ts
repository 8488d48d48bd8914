// Random values that fit a schema, for properties of definitions.
import * as fc from 'fast-check';
import type { Schema } from '../../src/registrar/definition/shape.ts';

/** Names from a small set, so that references sometimes meet. */
const NAMES = ['a', 'b', 'load', 'größe', 'x.y', '1', 'null', '#'];

const jsonObjects = fc
  .dictionary(fc.string({ maxLength: 8 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 })
  .filter((value) => !/__proto__|\\u0000/.test(JSON.stringify(value)))
  // -0 is 0 in JSON text, and in the database.
  .map((value) => JSON.parse(JSON.stringify(value)) as object);

/** Values that a schema of src/registrar/definition/schema.ts takes. */
export function valuesOf(schema: object): fc.Arbitrary<unknown> {
  const node = schema as Schema & { examples?: string[] };
  if (node.examples !== undefined) return fc.constantFrom(...node.examples);
  if (node.anyOf !== undefined) return fc.oneof(...node.anyOf.map(valuesOf));
  if (node.enum !== undefined) return fc.constantFrom(...node.enum);
  switch (node.type ?? 'number') {
    case 'object':
      return valuesOfObject(node);
    case 'array':
      return fc.array(valuesOf(node.items ?? {}), { minLength: node.minItems ?? 0, maxLength: 3 });
    case 'string':
      return fc.constantFrom(...textsFor(node));
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return fc.integer({ min: node.minimum ?? 0, max: Math.min(node.maximum ?? 99, 99) });
    default:
      return fc.double({ min: node.minimum ?? 0, max: 10, noNaN: true });
  }
}

function valuesOfObject({ properties, patternProperties, required = [] }: Schema): fc.Arbitrary<unknown> {
  if (properties !== undefined) {
    const model = Object.fromEntries(Object.entries(properties).map(([key, part]) => [key, valuesOf(part)]));
    return fc.record(model, { requiredKeys: required });
  }
  const [values] = Object.values(patternProperties ?? {});
  return values === undefined ? jsonObjects : fc.dictionary(fc.constantFrom(...NAMES), valuesOf(values));
}

/** Expressions that can be read wherever they stand. */
const EXPRESSIONS = ['$input', '$.a[0] + 1', '{"id": $execution.id}', '$keys($steps)'];

function textsFor({ pattern, format }: Schema): string[] {
  if (format === 'jsonata') return EXPRESSIONS;
  return pattern === undefined ? NAMES : textsOf(pattern);
}

function textsOf(pattern: string): string[] {
  return pattern.includes('%') ? ['0%', '10%', '100%'] : ['500ms', '3s', '5m', '2h', '1d', '250'];
}
