// What a schema asks for, in words: `a whole number ≥ 0`, `"all", "any" or an object`. Called by shape.ts.
import type { Schema } from './shape.ts';

export function describe(schema: Schema): string {
  if (schema.title !== undefined) return schema.title;
  if (schema.enum !== undefined) return joinChoices(schema.enum.map((value) => JSON.stringify(value)));
  if (schema.anyOf !== undefined) return joinChoices(schema.anyOf.map(describe));
  switch (schema.type ?? 'object') {
    case 'integer':
      return `a whole number${describeRange(schema)}`;
    case 'number':
      return `a number${describeRange(schema)}`;
    case 'string':
      return `text${describeLength(schema)}`;
    case 'boolean':
      return 'true or false';
    case 'array':
      return 'a list';
    default:
      return 'an object';
  }
}

const LARGEST = 2_147_483_647;

function describeRange({ minimum, maximum = LARGEST }: Schema): string {
  if (minimum === undefined) return '';
  return maximum >= LARGEST ? ` ≥ ${minimum}` : ` from ${minimum} to ${maximum}`;
}

function describeLength({ minLength = 0, maxLength }: Schema): string {
  if (maxLength !== undefined) return ` of ${minLength} to ${maxLength} characters`;
  return minLength > 0 ? ' that is not empty' : '';
}

function joinChoices(choices: string[]): string {
  const last = choices.at(-1) ?? 'nothing';
  return choices.length < 2 ? last : `${choices.slice(0, -1).join(', ')} or ${last}`;
}
