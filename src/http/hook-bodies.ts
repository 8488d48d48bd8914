// Reads the body of a webhook call by its content type. The shape comes from the parser alone; what could not be stored as it was sent,
// or would change a prototype, is refused as in json.ts. Called by routes/hooks.ts.
import type { Json, JsonObject } from '../dag/vocabulary.ts';
import { UmbelError } from '../errors.ts';
import { readJson, refuseUnstorable } from './json.ts';
import { gatherFields } from './fields.ts';
import { readMultipart } from './multipart.ts';

const KINDS = 'JSON, application/x-www-form-urlencoded, multipart/form-data, text, XML or CSV';

/** Errors: `MEDIA_TYPE_UNSUPPORTED`, `BODY_MALFORMED`, `BODY_INVALID`, `BODY_TOO_LARGE`. */
export async function readHookBody(raw: Buffer, contentType: string | undefined): Promise<Json> {
  if (raw.length === 0 && contentType === undefined) return {};
  const [type = '', ...parameters] = (contentType ?? 'none').split(';').map((part) => part.trim());
  const kind = type.toLowerCase();
  if (kind === 'multipart/form-data') return readMultipart(raw, contentType ?? '');
  const text = isJson(kind) || isForm(kind) || isText(kind) ? decode(raw, parameters) : undefined;
  if (text === undefined) throw new UmbelError('MEDIA_TYPE_UNSUPPORTED', { mediaType: type, known: KINDS });
  if (isJson(kind)) return text === '' ? {} : (readJson(text) as Json);
  if (isForm(kind)) return readForm(text);
  return refuseUnstorable(text);
}

const isJson = (kind: string) => kind === 'application/json' || /^[\w.-]+\/[\w.-]+\+json$/.test(kind);
const isForm = (kind: string) => kind === 'application/x-www-form-urlencoded';
const isText = (kind: string) =>
  /^text\/[\w.+-]+$|^application\/(xml|csv)$|^[\w.-]+\/[\w.-]+\+xml$/.test(kind);

function decode(raw: Buffer, parameters: string[]): string {
  const charset = parameters
    .map((parameter) => /^charset="?([^"]+)"?$/i.exec(parameter)?.[1])
    .find((found) => found !== undefined);
  try {
    return new TextDecoder(charset ?? 'utf-8', { fatal: true }).decode(raw);
  } catch (cause) {
    if (cause instanceof RangeError)
      throw new UmbelError('MEDIA_TYPE_UNSUPPORTED', { mediaType: `charset=${charset}`, known: 'UTF-8' });
    throw new UmbelError('BODY_MALFORMED', { reason: `it is not ${charset ?? 'UTF-8'}` }, { cause });
  }
}

/** A key that comes more than once gives a list. */
function readForm(text: string): JsonObject {
  const pairs = text === '' ? [] : text.split('&').filter((pair) => pair !== '');
  const fields = pairs.map((pair): [string, string] => {
    const at = pair.indexOf('=');
    return at === -1
      ? [decodePart(pair), '']
      : [decodePart(pair.slice(0, at)), decodePart(pair.slice(at + 1))];
  });
  return gatherFields(fields);
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part.replaceAll('+', ' '));
  } catch (cause) {
    throw new UmbelError('BODY_MALFORMED', { reason: 'its percent-encoding is broken' }, { cause });
  }
}
