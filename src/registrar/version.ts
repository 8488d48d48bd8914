// The name of a version of a definition: a hash of its content, shaped like a UUID. Called by plans.ts.
import { createHash } from 'node:crypto';
import type { Json } from '../dag/vocabulary.ts';

/** The UUID (version 8) made of the first 16 bytes of the SHA-256 of the value's canonical JSON. */
export function hashVersion(value: Json): string {
  const bytes = createHash('sha256').update(canonicalJson(value)).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** JSON in which equal values are equal texts: the keys of every object in order. */
export function canonicalJson(value: Json): string {
  return JSON.stringify(value, (_key, part: Json) => (isObject(part) ? sortKeys(part) : part));
}

function isObject(value: Json): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function sortKeys(value: { [key: string]: Json }): { [key: string]: Json } {
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, value[key] as Json]),
  );
}
