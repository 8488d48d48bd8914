// JSON on the command line: parameters, inputs, values.
import { InvalidArgumentError, Option } from 'commander';
import type { Json, JsonObject } from '../src/dag/vocabulary.ts';

export function paramsFlag(): Option {
  return new Option('--params <json>', 'replaces parameters, by key').argParser(readParams);
}

function readParams(text: string): JsonObject {
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InvalidArgumentError('It must be a JSON object.');
  return value as JsonObject;
}

/** Any JSON. */
export function readJson(text: string): Json {
  const value = parseJson(text);
  if (value === undefined) throw new InvalidArgumentError('It must be JSON; a text stands in quotes.');
  return value as Json;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
