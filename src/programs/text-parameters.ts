// Flower's five parameter pairs hold only text: here text becomes what the schema asks for, when it can.
// Called by parameters.ts for values that did not fit as they were.
import { Check } from 'typebox/value';
import type { TSchema } from 'typebox';
import type { Json, JsonObject } from '../dag/vocabulary.ts';
import type { SchemaNode } from './schema-node.ts';

const WHOLE = /^[+-]?\d+$/;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/** A copy of `raw` with text values converted; text that does not convert stays, for the check to name it. */
export function convertTexts(schema: SchemaNode, raw: JsonObject): JsonObject {
  const params = { ...raw };
  for (const [key, node] of Object.entries(schema.properties ?? {})) {
    const value = raw[key];
    if (typeof value !== 'string' || !Object.hasOwn(raw, key)) continue;
    // A pair whose value is null arrives as ''. For an optional parameter that is not text it means "not given".
    if (value === '' && !schema.required?.includes(key) && !accepts(node, '')) delete params[key];
    else params[key] = convertText(node, value);
  }
  return params;
}

function convertText(node: SchemaNode, text: string): Json {
  if (node.anyOf) return convertToAny(node.anyOf, text);
  switch (node.type ?? typeof node.const) {
    case 'integer':
      return WHOLE.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : text;
    case 'number':
      return NUMBER.test(text) && Number.isFinite(Number(text)) ? Number(text) : text;
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text;
    case 'object':
      return text.trimStart().startsWith('{') ? parseJson(text) : text;
    case 'array':
      return text.trimStart().startsWith('[') ? parseJson(text) : splitList(node.items ?? {}, text);
    case 'null':
      return text === 'null' || text === '' ? null : text;
    default:
      return text;
  }
}

function convertToAny(alternatives: SchemaNode[], text: string): Json {
  const all = [text, ...alternatives.map((node) => convertText(node, text))];
  return all.find((value) => alternatives.some((node) => accepts(node, value))) ?? text;
}

function splitList(items: SchemaNode, text: string): Json {
  return text === '' ? [] : text.split(',').map((part) => convertText(items, part.trim()));
}

function parseJson(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

function accepts(node: SchemaNode, value: Json): boolean {
  return Check(node as TSchema, value);
}
