// Reads the answer to an outgoing call into a result, up to a limit. Used by the two HTTP programs.
import type { Json } from '../dag/vocabulary.ts';
import { failNetwork, type Answer, type OutboundCall } from './outbound.ts';
import { ProgramError } from './program-error.ts';
import { storableJson, storableText } from './storable.ts';

export interface HttpResult {
  status: number;
  /** Names in lower case; `set-cookie` is a list, all others are text. */
  headers: Record<string, Json>;
  /** Parsed when the answer says it is JSON, else text. */
  body: Json;
}

/** A larger answer is refused. */
const BODY_LIMIT = 1024 * 1024;
const EXCERPT_LIMIT = 2048;

/** The answer as a result; an unexpected status is an `HttpError` with the status and an excerpt of the body. */
export async function readAnswer({ response, place }: Answer, call: OutboundCall): Promise<HttpResult> {
  const expected = call.expects(response.status);
  const { bytes, isCut } = await readBytes(response, expected ? BODY_LIMIT : EXCERPT_LIMIT).catch(
    (thrown: unknown) => failNetwork(thrown, call.signal, place),
  );
  const text = decode(bytes, response.headers.get('content-type') ?? '');
  if (!expected) throw failStatus(response, place, isCut ? `${text}…` : text);
  if (isCut)
    throw new ProgramError(`${place}: the answer is larger than 1 MiB, the most that is kept as a result`, {
      name: 'ResultError',
    });
  return {
    status: response.status,
    headers: readHeaders(response.headers),
    body: parseBody(text, response.headers),
  };
}

async function readBytes(response: Response, limit: number): Promise<{ bytes: Buffer; isCut: boolean }> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop early cancels the stream, which closes the connection.
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size > limit) break;
  }
  return { bytes: Buffer.concat(chunks).subarray(0, limit), isCut: size > limit };
}

function failStatus({ status, statusText }: Response, place: string, text: string): ProgramError {
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

function parseBody(text: string, headers: Headers): Json {
  if (!/[/+]json\b/i.test(headers.get('content-type') ?? '')) return text;
  try {
    return storableJson(JSON.parse(text) as Json);
  } catch {
    return text;
  }
}

function readHeaders(headers: Headers): Record<string, Json> {
  const cookies = headers.getSetCookie();
  return { ...Object.fromEntries(headers), ...(cookies.length > 0 ? { 'set-cookie': cookies } : {}) };
}
