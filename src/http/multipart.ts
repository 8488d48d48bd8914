// Reads multipart forms of webhooks: fields as text, files as `{filename, contentType, size, base64}`. Called by hook-bodies.ts.
import type { Json, JsonObject } from '../dag/vocabulary.ts';
import { UmbelError } from '../errors.ts';
import { gatherFields } from './fields.ts';

const MOST_FILES = 20;
/** Bytes of one file. */
const LARGEST_FILE = 1 << 20;

/** Errors: `BODY_MALFORMED`, `BODY_INVALID`, `BODY_TOO_LARGE`. */
export async function readMultipart(raw: Buffer, contentType: string): Promise<JsonObject> {
  const fields: [string, Json][] = [];
  let files = 0;
  for (const [name, value] of await parse(raw, contentType)) {
    if (typeof value !== 'string' && (files += 1) > MOST_FILES)
      throw new UmbelError('BODY_INVALID', {
        problems: [{ path: name, message: `is one of more than ${MOST_FILES} files` }],
      });
    fields.push([name, typeof value === 'string' ? value : await readFile(value)]);
  }
  return gatherFields(fields);
}

async function parse(raw: Buffer, contentType: string): Promise<FormData> {
  try {
    return await new Response(raw, { headers: { 'content-type': contentType } }).formData();
  } catch (cause) {
    throw new UmbelError('BODY_MALFORMED', { reason: 'it is not a multipart form' }, { cause });
  }
}

async function readFile(file: File): Promise<Json> {
  const { name: filename, type: contentType, size } = file;
  if (size > LARGEST_FILE) throw new UmbelError('BODY_TOO_LARGE', { limit: LARGEST_FILE });
  return { filename, contentType, size, base64: Buffer.from(await file.arrayBuffer()).toString('base64') };
}
