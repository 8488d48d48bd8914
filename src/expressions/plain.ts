// What jsonata gives becomes plain JSON: a copy that shares nothing with what went in, without jsonata's marks. Called by run.ts.
import type { Json } from '../dag/vocabulary.ts';
import { LIMITS } from './limits.ts';

/** The copy, `undefined` being null; throws a RangeError when it is too large or too deep, a TypeError when it is no JSON. */
export function toPlainJson(value: unknown): Json {
  return copy(value, { left: LIMITS.output }, LIMITS.levels);
}

/** Counted before it is written: what holds the same thing in many places may be small in memory and endless as text. */
function copy(value: unknown, size: { left: number }, levels: number): Json {
  size.left -= typeof value === 'string' ? value.length + 2 : 2;
  if (size.left < 0 || levels < 0) throw new RangeError('too large');
  if (value === undefined || value === null) return null;
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return Array.from(value, (item) => copy(item, size, levels - 1));
  if (isFunction(value)) throw new TypeError('it gives a function; call it');
  return copyObject(value, size, levels);
}

function copyObject(value: object, size: { left: number }, levels: number): Json {
  // What is not there is left out, as in JSON.
  const entries = Object.entries(value).filter(([, part]) => part !== undefined);
  for (const [key] of entries) size.left -= key.length + 2;
  return Object.fromEntries(entries.map(([key, part]) => [key, copy(part, size, levels - 1)]));
}

function isFunction(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return '_jsonata_lambda' in value || '_jsonata_function' in value;
}
