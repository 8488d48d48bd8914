// Whether a JSON value can be stored and read back as it is. Called by shape.ts for what may be any JSON.
import type { Problem } from '../../dag/vocabulary.ts';

const DEEPEST = 64;

/** Everything in it that Postgres would not take, or not give back as it was. */
export function findUnstorable(value: unknown, path: string, depth = 1): Problem[] {
  if (value === null || typeof value === 'boolean') return [];
  if (typeof value === 'string') return [refuseText(value, path) ?? []].flat();
  if (typeof value === 'number')
    return Number.isFinite(value) ? [] : [{ path, message: `must be a finite number, not ${value}` }];
  if (typeof value !== 'object') return [{ path, message: `must be JSON, not ${typeof value}` }];
  if (depth > DEEPEST) return [{ path, message: `is nested more than ${DEEPEST} levels deep` }];
  if (Array.isArray(value))
    return value.flatMap((item, at) => findUnstorable(item, `${path}[${at}]`, depth + 1));
  return Object.entries(value).flatMap(([key, part]) => [
    ...[refuseKey(key, path) ?? []].flat(),
    ...findUnstorable(part, `${path}.${key}`, depth + 1),
  ]);
}

export function refuseText(text: string, path: string): Problem | null {
  if (text.includes('\0')) return { path, message: 'holds a NUL character, which cannot be stored' };
  return text.isWellFormed() ? null : { path, message: 'holds half of a surrogate pair' };
}

function refuseKey(key: string, path: string): Problem | null {
  return key === '__proto__'
    ? { path, message: 'the key "__proto__" is not allowed' }
    : refuseText(key, path);
}
