// Values with expressions in their texts: `${{ … }}` as a whole text gives any JSON, inside a text it is put in as text. Parameters are
// written so. Called by the checks of definitions and by the watcher.
import type { Json } from '../dag/vocabulary.ts';
import { parseExpression } from './parse.ts';

/** An expression and where it stands: `.body.items[2]`; empty for the value itself. */
export interface PlacedExpression {
  path: string;
  text: string;
  /** False: its end is missing. */
  closed: boolean;
}

/** What a text is made of: pieces that stay and expressions. An opened one that is not closed has no end. */
type Piece = { text: string } | { expression: string; closed: boolean };

const OPEN = '${{';
const CLOSE = '}}';
/** Ends that are tried before the first is taken. */
const MOST_ENDS = 50;

/** Whether there is any expression in it; cheap. */
export function hasTemplate(value: Json): boolean {
  if (typeof value === 'string') return value.includes(OPEN);
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).some(hasTemplate);
}

/** All its expressions. */
export function listExpressions(value: Json, path = ''): PlacedExpression[] {
  if (typeof value === 'string')
    return splitText(value).flatMap((piece) => ('expression' in piece ? [place(piece, path)] : []));
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((item, at) => listExpressions(item, `${path}[${at}]`));
  return Object.entries(value).flatMap(([key, part]) => listExpressions(part, `${path}.${key}`));
}

/** Gives the value of the expression that stands at a place. */
export type Fill = (expression: PlacedExpression) => Promise<Json>;

/** The value with the values of its expressions in their places, one after the other. */
export async function fillTemplate(value: Json, fill: Fill, path = ''): Promise<Json> {
  if (typeof value === 'string') return value.includes(OPEN) ? fillText(value, fill, path) : value;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const items: Json[] = [];
    for (const [at, item] of value.entries()) items.push(await fillTemplate(item, fill, `${path}[${at}]`));
    return items;
  }
  const entries: [string, Json][] = [];
  for (const [key, part] of Object.entries(value))
    entries.push([key, await fillTemplate(part, fill, `${path}.${key}`)]);
  return Object.fromEntries(entries);
}

async function fillText(text: string, fill: Fill, path: string): Promise<Json> {
  const pieces = splitText(text);
  const [only] = pieces;
  if (pieces.length === 1 && only !== undefined && 'expression' in only) return fill(place(only, path));
  const texts: string[] = [];
  for (const piece of pieces)
    texts.push('text' in piece ? piece.text : toText(await fill(place(piece, path))));
  return texts.join('');
}

function place({ expression, closed }: Extract<Piece, { closed: boolean }>, path: string): PlacedExpression {
  return { path, text: expression, closed };
}

/** Inside a text nothing is nothing, and what is no text is written as JSON. */
function toText(value: Json): string {
  if (value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function splitText(text: string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  for (let open = text.indexOf(OPEN); open >= 0; open = text.indexOf(OPEN, at)) {
    if (open > at) pieces.push({ text: text.slice(at, open) });
    const start = open + OPEN.length;
    const end = findEnd(text, start);
    pieces.push({ expression: text.slice(start, end).trim(), closed: end !== undefined });
    at = end === undefined ? text.length : end + CLOSE.length;
  }
  if (at < text.length) pieces.push({ text: text.slice(at) });
  return pieces;
}

/** An expression may hold `}}` itself, of an object in an object: it ends where what stands before can be read. */
function findEnd(text: string, start: number): number | undefined {
  const first = text.indexOf(CLOSE, start);
  if (first < 0) return undefined;
  for (
    let end = first, tries = 0;
    end >= 0 && tries < MOST_ENDS;
    end = text.indexOf(CLOSE, end + 1), tries += 1
  )
    if (!(parseExpression(text.slice(start, end).trim()) instanceof Error)) return end;
  return first;
}
