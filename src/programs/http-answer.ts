// Reads the answer to an outgoing call into a result, up to a limit. Used by the two HTTP programs.
import type { Json } from '../dag/vocabulary.ts';
import { unpack } from './content-coding.ts';
import { BODY_LIMIT, EXCERPT_LIMIT, failNetwork, type Answer, type OutboundCall } from './outbound.ts';
import { ProgramError } from './program-error.ts';
import { storableJson, storableText } from './storable.ts';

export interface HttpResult {
  status: number;
  /** Names in lower case; `set-cookie` is a list, all others are text. */
  headers: Record<string, Json>;
  /** Parsed when the answer says it is JSON, else text. */
  body: Json;
}

/** The answer as a result; an unexpected status is an `HttpError` with the status and an excerpt of the body. */
export async function readAnswer(answer: Answer, call: OutboundCall): Promise<HttpResult> {
  const { status, headers, place } = answer;
  const expected = call.expects(status);
  const { bytes, isCut } = await readBytes(answer, expected ? BODY_LIMIT : EXCERPT_LIMIT, call.signal);
  const contentType = textOf(headers['content-type']);
  const text = decode(bytes, contentType);
  if (!expected) throw failStatus(answer, isCut ? `${text}…` : text);
  if (isCut)
    throw new ProgramError(`${place}: the answer is larger than 1 MiB, the most that is kept as a result`, {
      name: 'ResultError',
    });
  return { status, headers: readHeaders(headers), body: parseBody(text, contentType) };
}

type Bytes = Pick<Answer, 'bytes' | 'isCut'>;

async function readBytes(answer: Answer, limit: number, signal: AbortSignal): Promise<Bytes> {
  const encoding = textOf(answer.headers['content-encoding']);
  if (!encoding) return answer;
  const { bytes, isCut } = await unpack(answer.bytes, encoding, limit).catch((thrown: unknown) =>
    failNetwork(thrown, signal, answer.place),
  );
  return { bytes, isCut: isCut || answer.isCut };
}

function failStatus({ status, statusText, place }: Answer, text: string): ProgramError {
  const details = { status, body: text };
  return new ProgramError(`${place} answered ${`${status} ${statusText}`.trim()}`, {
    name: 'HttpError',
    details,
  });
}

function decode(bytes: Buffer, contentType: string): string {
  const charset = /charset="?([^";\s]+)/i.exec(contentType)?.[1] ?? 'utf-8';
  return storableText(makeDecoder(charset).decode(bytes));
}

function makeDecoder(charset: string): TextDecoder {
  try {
    return new TextDecoder(charset);
  } catch {
    return new TextDecoder();
  }
}

function parseBody(text: string, contentType: string): Json {
  if (!/[/+]json\b/i.test(contentType)) return text;
  try {
    return storableJson(JSON.parse(text) as Json);
  } catch {
    return text;
  }
}

function readHeaders(headers: Answer['headers']): Record<string, Json> {
  const pairs = Object.entries(headers).map(([name, value]) => [
    name,
    name === 'set-cookie' ? [value ?? []].flat() : textOf(value),
  ]);
  return Object.fromEntries(pairs) as Record<string, Json>;
}

function textOf(value: string | string[] | undefined = ''): string {
  return typeof value === 'string' ? value : value.join(', ');
}
