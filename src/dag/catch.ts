// What a step says of its failures: which of them it catches, and where they go. Called by the graph, by validation and by the watcher.
import type { Json, JsonObject, Step } from './vocabulary.ts';

/** One entry of a step's `catch`. */
export interface Catch {
  /** Names of errors; `*` is all. */
  errors: string[];
  /** The step that goes on; null: all its dependants do. */
  goto: string | null;
  /** A JSONata expression; null: none. */
  result: string | null;
}

/** A step's `catch`, in its order; entries that are malformed are left out, validation names them. */
export function readCatches(options: JsonObject | null): Catch[] {
  const given = options?.['catch'];
  return Array.isArray(given) ? given.filter(isObject).map(readCatch) : [];
}

/** Steps, by name, that its failures may lead to. */
export function listGotos(step: Step): string[] {
  return readCatches(step.options).flatMap(({ goto }) => (goto === null ? [] : [goto]));
}

function readCatch({ errors, goto, result }: JsonObject): Catch {
  return {
    errors: Array.isArray(errors) ? errors.map(String) : ['*'],
    goto: typeof goto === 'string' ? goto : null,
    result: typeof result === 'string' ? result : null,
  };
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
