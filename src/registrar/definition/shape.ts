// Holds a value against a schema of schema.ts and says in words what does not fit, everything at once, each with its place.
// Called by check.ts. Reads the schema as plain JSON Schema; understands what schema.ts uses of it.
import { didYouMean } from '../../dag/near.ts';
import type { Problem } from '../../dag/vocabulary.ts';
import { describe } from './describe.ts';
import { findUnstorable, refuseText } from './storable.ts';

export interface Schema {
  type?: string;
  enum?: unknown[];
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  patternProperties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: unknown;
  items?: Schema;
  minItems?: number;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  /** `jsonata`: an expression; read by expressions.ts, not here. */
  format?: string;
  /** What a value must be, in words. */
  title?: string;
}

/** `path` is where the value stands: `steps[3]`; empty for the whole. */
export function findShapeProblems(schema: object, value: unknown, path: string): Problem[] {
  return check(schema, value, path);
}

function check(schema: Schema, value: unknown, path: string): Problem[] {
  if (schema.anyOf !== undefined) return checkChoice(schema, schema.anyOf, value, path);
  if (schema.enum !== undefined) return schema.enum.includes(value) ? [] : mismatch(schema, path);
  if (kindOf(value) !== (schema.type === 'integer' ? 'number' : schema.type)) return mismatch(schema, path);
  if (Array.isArray(value)) return checkList(schema, value, path);
  if (typeof value === 'string') return checkText(schema, value, path);
  if (typeof value === 'object') return checkObject(schema, value as Record<string, unknown>, path);
  return fitsNumber(schema, value) ? [] : mismatch(schema, path);
}

/** An object or a list is held against the alternative that is one, so that the problem inside it is named. */
function checkChoice(schema: Schema, choices: Schema[], value: unknown, path: string): Problem[] {
  const kind = kindOf(value);
  const inner = choices.filter((choice) => choice.type === kind || choice.type === 'integer');
  const [only] = inner.filter((choice) => choice.type === kind);
  if (only !== undefined && (kind === 'object' || kind === 'array')) return check(only, value, path);
  if (choices.some((choice) => check(choice, value, path).length === 0)) return [];
  const [number] = kind === 'number' && schema.title === undefined ? inner : [];
  return mismatch(number ?? schema, path);
}

function checkObject(schema: Schema, value: Record<string, unknown>, path: string): Problem[] {
  const { properties, patternProperties } = schema;
  if (properties === undefined && patternProperties === undefined) return findUnstorable(value, path);
  if (properties === undefined) {
    const [values = {}] = Object.values(patternProperties ?? {});
    return Object.entries(value).flatMap(([key, part]) => check(values, part, join(path, key)));
  }
  const missing = (schema.required ?? []).filter((key) => value[key] === undefined);
  return [
    ...missing.map((key) => ({ path: join(path, key), message: 'is required' })),
    ...Object.entries(value).flatMap(([key, part]) => {
      const known = Object.hasOwn(properties, key) ? properties[key] : undefined;
      if (known === undefined) return [refuseKey(key, Object.keys(properties), path)];
      return part === undefined ? [] : check(known, part, join(path, key));
    }),
  ];
}

function checkList(schema: Schema, value: unknown[], path: string): Problem[] {
  if (value.length < (schema.minItems ?? 0)) return [{ path, message: 'must not be empty' }];
  return value.flatMap((item, at) => check(schema.items ?? {}, item, `${path}[${at}]`));
}

function checkText(schema: Schema, value: string, path: string): Problem[] {
  const refused = refuseText(value, path);
  if (refused !== null) return [refused];
  const { minLength = 0, maxLength = Infinity, pattern } = schema;
  const fits = value.length >= minLength && countCharacters(value, maxLength) <= maxLength;
  return fits && (pattern === undefined || new RegExp(pattern).test(value)) ? [] : mismatch(schema, path);
}

function fitsNumber({ type, minimum = -Infinity, maximum = Infinity }: Schema, value: unknown): boolean {
  if (typeof value !== 'number') return true;
  const whole = type !== 'integer' || Number.isInteger(value);
  return Number.isFinite(value) && whole && value >= minimum && value <= maximum;
}

function mismatch(schema: Schema, path: string): Problem[] {
  return [{ path, message: `must be ${describe(schema)}` }];
}

const LISTED = 12;

function refuseKey(key: string, known: string[], path: string): Problem {
  const near = didYouMean(key, known);
  const list = near === '' && known.length <= LISTED ? ` (known: ${known.join(', ')})` : near;
  return { path: join(path, key), message: `is not known${list}` };
}

/** As Postgres counts them: a surrogate pair is one. */
function countCharacters(text: string, most: number): number {
  return text.length <= most ? text.length : Array.from(text).length;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}
