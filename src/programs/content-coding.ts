// Unpacks compressed answers, up to a limit. Called by http-answer.ts.
import { Readable, pipeline, type Transform } from 'node:stream';
import { constants, createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';

/** What is asked for. */
export const ACCEPTED_CODINGS = 'gzip, br';

// An answer may stop where it was cut, or be empty.
const LENIENT = { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH };
const BROTLI_LENIENT = {
  flush: constants.BROTLI_OPERATION_FLUSH,
  finishFlush: constants.BROTLI_OPERATION_FLUSH,
};

const DECODERS = new Map<string, () => Transform>([
  ['gzip', () => createGunzip(LENIENT)],
  ['x-gzip', () => createGunzip(LENIENT)],
  ['deflate', () => createInflate(LENIENT)],
  ['br', () => createBrotliDecompress(BROTLI_LENIENT)],
]);

/** The bytes unpacked as `content-encoding` says, at most `limit`; as they are when it names something unknown. */
export async function unpack(
  bytes: Buffer,
  encoding: string,
  limit: number,
): Promise<{ bytes: Buffer; isCut: boolean }> {
  const codings = encoding.split(',').map((coding) => coding.trim().toLowerCase());
  const decoders = codings.toReversed().flatMap((coding) => DECODERS.get(coding)?.() ?? []);
  if (bytes.length === 0 || decoders.length < codings.length) return { bytes, isCut: false };
  // Failures come out of the loop that reads; leaving it early ends the rest.
  const unpacked = pipeline([Readable.from([bytes]), ...decoders], () => {}) as unknown as Transform;
  return takeBytes(unpacked, limit);
}

async function takeBytes(
  stream: AsyncIterable<Buffer>,
  limit: number,
): Promise<{ bytes: Buffer; isCut: boolean }> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size > limit) break;
  }
  return { bytes: Buffer.concat(chunks).subarray(0, limit), isCut: size > limit };
}
