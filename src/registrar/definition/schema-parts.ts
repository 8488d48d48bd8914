// The bricks that schema.ts is built of: closed objects, texts with the lengths of their columns, counts.
import { type TOptional, type TProperties, type TSchema, Type } from 'typebox';

/** Of ids, programs and pools: varchar(256). */
const LONGEST_NAME = 256;
const LARGEST = 2_147_483_647;

type Notes = { title?: string; description?: string; examples?: string[] };

/** An object without further keys. */
export function closed<P extends TProperties>(properties: P, notes: Notes = {}) {
  return Type.Object(properties, { ...notes, additionalProperties: false });
}

export function optional<S extends TSchema>(schema: S, description?: string): TOptional<S> {
  return Type.Optional(description === undefined ? schema : described(schema, description)) as TOptional<S>;
}

export function described<S extends TSchema>(schema: S, description: string): S {
  return { ...schema, description };
}

export function text(
  limits: { minLength?: number; maxLength?: number; pattern?: string; format?: string } & Notes = {},
) {
  return Type.String(limits);
}

/** A name that is stored in a column. */
export function nameText(notes: Notes = {}) {
  return Type.String({ minLength: 1, maxLength: LONGEST_NAME, ...notes });
}

export function counting(minimum: number) {
  return Type.Integer({ minimum, maximum: LARGEST });
}

export function listOf<S extends TSchema>(items: S, description: string) {
  return Type.Array(items, { description });
}

/** An object with any keys and values of one kind. */
export function mapOf<S extends TSchema>(values: S) {
  return Type.Record(Type.String(), values);
}
