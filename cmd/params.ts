// The flag for parameters on the command line.
import { InvalidArgumentError, Option } from 'commander';
import type { JsonObject } from '../src/dag/vocabulary.ts';

export function paramsFlag(): Option {
  return new Option('--params <json>', 'replaces parameters, by key').argParser(readParams);
}

function readParams(text: string): JsonObject {
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InvalidArgumentError('It must be a JSON object.');
  return value as JsonObject;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
