// What Postgres can keep: jsonb refuses NUL characters and halves of surrogate pairs, and deep nesting exhausts
// its stack. Used by programs that read foreign text and by watcher/ for results and errors.
import type { Json } from '../dag/vocabulary.ts';

/** Deeper nesting than this is refused. */
export const DEPTH_LIMIT = 1000;

// JSON.stringify escapes NUL and lone halves only; the first branch steps over escaped backslashes.
const ESCAPES = /\\(?:\\|u0000|ud[89a-f][0-9a-f]{2})/g;

/** The text with every character that cannot be stored replaced by U+FFFD. */
export function storableText(text: string): string {
  return text.replaceAll('\0', '\uFFFD').toWellFormed();
}

/** Text cut to `limit` characters, with a note of what is missing. */
export function shorten(text: string, limit: number): string {
  if (text.length <= limit) return text;
  return `${text.slice(0, limit).toWellFormed()}… (${text.length - limit} more characters)`;
}

/** JSON text, as JSON.stringify writes it, made fit for jsonb. */
export function storableJsonText(text: string): string {
  if (!text.includes('\\u')) return text;
  return text.replace(ESCAPES, (escape) => (escape === '\\\\' ? escape : '\\ufffd'));
}

/** A JSON value made fit for jsonb. */
export function storableJson(value: Json): Json {
  const text = JSON.stringify(value);
  const clean = storableJsonText(text);
  return clean === text ? value : (JSON.parse(clean) as Json);
}

/** Whether JSON text nests deeper than `limit`. */
export function isTooDeep(text: string, limit = DEPTH_LIMIT): boolean {
  // Text this short cannot: every level takes two brackets.
  if (text.length <= 2 * limit) return false;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '"') at = endOfString(text, at);
    else if (char === '[' || char === '{') depth++;
    else if (char === ']' || char === '}') depth--;
    if (depth > limit) return true;
  }
  return false;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}
