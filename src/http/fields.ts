// Fields of a form as one object. Called by hook-bodies.ts, multipart.ts and, for queries, routes/hooks.ts.
import type { Json, JsonObject } from '../dag/vocabulary.ts';
import { UmbelError } from '../errors.ts';
import { refuseUnstorable } from './json.ts';

/** Of a form. */
const MOST_KEYS = 1_000;

/** Fields in the order in which they came; a name that comes more than once gives a list. */
export function gatherFields(fields: Iterable<readonly [string, Json]>): JsonObject {
  const lists = new Map<string, Json[]>();
  for (const [name, value] of fields) {
    const list = lists.get(name);
    if (list === undefined) lists.set(name, [value]);
    else list.push(value);
    if (lists.size > MOST_KEYS)
      throw new UmbelError('BODY_INVALID', {
        problems: [{ path: '', message: `more than ${MOST_KEYS} fields` }],
      });
  }
  // From entries: a name such as __proto__ becomes a key, which is refused, and not a prototype.
  const gathered = Object.fromEntries(
    [...lists].map(([name, list]) => [name, list.length === 1 ? list[0]! : list]),
  );
  return refuseUnstorable(gathered);
}
