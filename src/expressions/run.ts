// Works out a compiled expression and turns what comes out into plain JSON. Called on the main thread by evaluate.ts and in the
// thread by sandbox-thread.ts.
import type jsonata from 'jsonata';
import type { Json } from '../dag/vocabulary.ts';
import { toPlainJson } from './plain.ts';
import type { Scope } from './scope.ts';

export async function run(compiled: jsonata.Expression, context: Json, scope: Scope): Promise<Json> {
  return toPlainJson(await compiled.evaluate(context, { ...scope, eval: undefined, parse: parseJson }));
}

/** `$parse`: the value of a JSON text; nothing gives nothing. */
function parseJson(text: unknown): unknown {
  if (text === undefined) return undefined;
  if (typeof text !== 'string') throw new TypeError('$parse takes text');
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new TypeError(`$parse: ${(cause as Error).message}`, { cause });
  }
}
