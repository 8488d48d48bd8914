// Runs SQL that a person typed: several statements at once, each result as the server sent it. For `umbel sql`.
import type { EventEmitter } from 'node:events';
import { Client, DatabaseError, types, type CustomTypesConfig, type QueryArrayResult } from 'pg';
import { UmbelError } from '../errors.ts';
import { withoutPassword } from '../log.ts';
import { connectionError } from './failures.ts';

export interface ScriptResult {
  /** The server's tag: `SELECT 2`, `INSERT 0 3`, `CREATE TABLE`. */
  tag: string;
  columns: { name: string; isNumber: boolean }[];
  rows: unknown[][];
}

export interface ScriptOptions {
  /** Numbers, booleans and JSON as such; else every value is the server's text. */
  parsed?: boolean;
  onNotice?: (line: string) => void;
}

/** int8, int2, int4, oid, float4, float8, numeric */
const NUMBER_TYPES = new Set([20, 21, 23, 26, 700, 701, 1700]);
/** bool, int2, int4, oid, float4, float8, json, jsonb: what JSON can hold without loss. */
const JSON_TYPES = new Set([16, 21, 23, 26, 700, 701, 114, 3802]);

const same = (value: string) => value;
const asText: CustomTypesConfig = { getTypeParser: () => same };
const asJson: CustomTypesConfig = {
  getTypeParser: (oid: number) => (JSON_TYPES.has(oid) ? types.getTypeParser(oid) : same),
};

/**
 * The results of the statements in `text`, in order. Without BEGIN of its own the text is one transaction: when a statement
 * fails, none has happened. Throws SQL_FAILED, DATABASE_UNREACHABLE, DATABASE_REFUSED.
 */
export async function runScript(
  url: string,
  text: string,
  options: ScriptOptions = {},
): Promise<ScriptResult[]> {
  const client = new Client({
    connectionString: url,
    application_name: 'umbel sql',
    connectionTimeoutMillis: 5_000,
  });
  client.on('error', () => undefined);
  client.on('notice', ({ severity, message }) => options.onNotice?.(`${severity}:  ${message}`));
  try {
    await client.connect();
    const tags = collectTags(client);
    const answer: unknown = await client.query({
      text,
      rowMode: 'array',
      types: options.parsed ? asJson : asText,
    });
    const results = (Array.isArray(answer) ? answer : [answer]) as QueryArrayResult<unknown[]>[];
    return results.filter(({ command }) => command !== null).map((result, at) => toResult(result, tags[at]));
  } catch (error) {
    if (!(error instanceof DatabaseError) || !error.code || /^(08|28|3D|57P|53)/.test(error.code)) {
      throw connectionError(withoutPassword(url), error);
    }
    throw new UmbelError('SQL_FAILED', { report: describeSqlError(error, text) }, { cause: error });
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** What psql would print: message, the line with a caret under the place, detail, hint, context. */
function describeSqlError(error: DatabaseError, text: string): string {
  const lines = [`${error.severity ?? 'ERROR'}:  ${error.message}`, ...placeOf(Number(error.position), text)];
  if (error.detail) lines.push(`DETAIL:  ${error.detail}`);
  if (error.hint) lines.push(`HINT:  ${error.hint}`);
  if (error.where) lines.push(`CONTEXT:  ${error.where}`);
  return lines.join('\n');
}

/** `position` counts characters, not UTF-16 units, from 1. */
function placeOf(position: number, text: string): string[] {
  if (!position) return [];
  const before = Array.from(text)
    .slice(0, position - 1)
    .join('')
    .split('\n');
  const line = text.split('\n')[before.length - 1] ?? '';
  const label = `LINE ${before.length}: `;
  const indent = Array.from(before.at(-1) ?? '', (character) => (character === '\t' ? '\t' : ' ')).join('');
  return [`${label}${line}`, `${' '.repeat(label.length)}${indent}^`];
}

/** pg keeps only the first word of a tag; its connection hears the whole. */
function collectTags(client: Client): string[] {
  const tags: string[] = [];
  const { connection } = client as unknown as { connection: EventEmitter };
  connection.on('commandComplete', (message: { text: string }) => tags.push(message.text));
  return tags;
}

function toResult(result: QueryArrayResult<unknown[]>, tag = result.command): ScriptResult {
  const columns = result.fields.map(({ name, dataTypeID }) => ({
    name,
    isNumber: NUMBER_TYPES.has(dataTypeID),
  }));
  return { tag, columns, rows: result.rows };
}
