// Reads a request's body as the bytes that were sent, within limits of size, of time, and of what all requests hold together.
// Called by routes/hooks.ts, where a signature covers the bytes.
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { UmbelError } from '../errors.ts';

export interface RawBodyLimits {
  /** Milliseconds for one body. */
  within: number;
  /** Bytes of all bodies that are being read or answered. */
  together: number;
}

const LIMITS: RawBodyLimits = { within: 20_000, together: 64 << 20 };

export interface RawBodies {
  /** Errors: `BODY_TOO_LARGE` over `most` bytes, `BODY_SLOW`, `BODY_MALFORMED` when it breaks off, `HOOK_BUSY`. */
  read: (headers: IncomingMessage['headers'], stream: Readable, most: number) => Promise<Buffer>;
  /** The body of this many bytes is not needed any more. */
  release: (bytes: number) => void;
}

export function makeRawBodies({ within, together }: RawBodyLimits = LIMITS): RawBodies {
  let held = 0;
  const hold = (bytes: number): boolean => {
    held += bytes;
    return held <= together;
  };
  const release = (bytes: number) => {
    held -= bytes;
  };
  return {
    release,
    read({ 'content-length': announced }, stream, most) {
      const tooLarge = () => new UmbelError('BODY_TOO_LARGE', { limit: most });
      if (Number(announced ?? 0) > most) return Promise.reject(tooLarge());
      return new Promise((resolve, reject) => {
        const chunks: Buffer[] = [];
        let length = 0;
        const end = (error?: Error) => {
          clearTimeout(timer);
          stream.off('data', take).off('end', finish).off('error', breakOff).off('close', breakOff);
          if (error === undefined) return resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
          release(length);
          reject(error);
        };
        const take = (chunk: Buffer) => {
          length += chunk.length;
          const fits = hold(chunk.length);
          if (length > most) return end(tooLarge());
          if (!fits) return end(new UmbelError('HOOK_BUSY', {}));
          chunks.push(chunk);
        };
        const finish = () => end();
        const breakOff = () => end(new UmbelError('BODY_MALFORMED', { reason: 'it breaks off' }));
        const timer = setTimeout(() => end(new UmbelError('BODY_SLOW', { seconds: within / 1000 })), within);
        stream.on('data', take).on('end', finish).on('error', breakOff).on('close', breakOff);
      });
    },
  };
}
