// How senders sign their calls: which header says what, what is signed, and how a secret is written. Pure. Used by signature.ts.
import type { IncomingHttpHeaders } from 'node:http';

export type Preset = 'github' | 'stripe' | 'slack' | 'standard';
export type Algorithm = 'sha256' | 'sha1' | 'sha512';
export type Encoding = 'base64' | 'hex';

export interface SchemeSettings {
  header?: string;
  algorithm?: Algorithm;
  encoding?: Encoding;
}

export interface SignatureScheme {
  /** The header with the signature, in lower case. */
  header: string;
  algorithm: Algorithm;
  encoding: Encoding;
  /** What the headers claim; null: they do not have the form. */
  readClaim: (headers: IncomingHttpHeaders) => Claim | null;
  /** The key of a secret; null: it is not written as this sender writes it. */
  keyOf: (secret: string) => Buffer | null;
}

export interface Claim {
  /** Any of them may be the right one. */
  signatures: string[];
  /** Signed before the body. */
  prefix: string;
  /** Seconds since 1970, signed as well; null: nothing tells the time. */
  sentAt: number | null;
  /** The sender's own name for the message, the same when it is sent again; null: it has none. */
  id: string | null;
}

/** More than this are not looked at. */
const MOST_SIGNATURES = 10;
const PLAIN = { prefix: '', sentAt: null, id: null };
const textKey = (secret: string) => Buffer.from(secret);

/** Without a preset: the bare signature of the body in one header. */
export function makeScheme(preset: Preset | undefined, settings: SchemeSettings): SignatureScheme {
  if (preset !== undefined) return PRESETS[preset];
  const { header = 'x-hmac', algorithm = 'sha256', encoding = 'base64' } = settings;
  const name = header.toLowerCase();
  return {
    header: name,
    algorithm,
    encoding,
    keyOf: textKey,
    readClaim: (headers) => {
      const signature = textOf(headers, name);
      return signature === null ? null : { ...PLAIN, signatures: [signature] };
    },
  };
}

const PRESETS: Record<Preset, SignatureScheme> = {
  github: {
    header: 'x-hub-signature-256',
    algorithm: 'sha256',
    encoding: 'hex',
    keyOf: textKey,
    readClaim: (headers) => {
      const signature = afterPrefix(textOf(headers, 'x-hub-signature-256'), 'sha256=');
      return signature === null ? null : { ...PLAIN, signatures: [signature] };
    },
  },
  stripe: {
    header: 'stripe-signature',
    algorithm: 'sha256',
    encoding: 'hex',
    keyOf: textKey,
    readClaim: (headers) => {
      const parts = (textOf(headers, 'stripe-signature') ?? '').split(',').map((part) => part.trim());
      const time = afterPrefix(parts.find((part) => part.startsWith('t=')) ?? null, 't=');
      return claimAt(time, { id: null, signatures: listAfter(parts, 'v1='), prefix: `${time}.` });
    },
  },
  slack: {
    header: 'x-slack-signature',
    algorithm: 'sha256',
    encoding: 'hex',
    keyOf: textKey,
    readClaim: (headers) => {
      const time = textOf(headers, 'x-slack-request-timestamp');
      const signature = afterPrefix(textOf(headers, 'x-slack-signature'), 'v0=');
      const signatures = signature === null ? [] : [signature];
      return claimAt(time, { id: null, signatures, prefix: `v0:${time}:` });
    },
  },
  standard: {
    header: 'webhook-signature',
    algorithm: 'sha256',
    encoding: 'base64',
    // As the senders' libraries read it, with and without the mark.
    keyOf: (secret) => readBytes(secret.replace(/^whsec_/, ''), 'base64'),
    readClaim: (headers) => {
      const [id, time] = [textOf(headers, 'webhook-id'), textOf(headers, 'webhook-timestamp')];
      if (id === null) return null;
      const signatures = listAfter((textOf(headers, 'webhook-signature') ?? '').split(' '), 'v1,');
      return claimAt(time, { id, signatures, prefix: `${id}.${time}.` });
    },
  },
};

/** The bytes of a signature or a key; null: it is not in that encoding. */
export function readBytes(text: string, encoding: Encoding): Buffer | null {
  const form = encoding === 'hex' ? /^([0-9a-f]{2})+$/i : /^[A-Za-z0-9+/]+={0,2}$/;
  return form.test(text) ? Buffer.from(text, encoding) : null;
}

function claimAt(time: string | null, claim: Omit<Claim, 'sentAt'>): Claim | null {
  if (time === null || !/^\d{1,12}$/.test(time) || claim.signatures.length === 0) return null;
  return { ...claim, sentAt: Number(time) };
}

function listAfter(parts: string[], prefix: string): string[] {
  return parts.flatMap((part) => afterPrefix(part, prefix) ?? []).slice(0, MOST_SIGNATURES);
}

function afterPrefix(text: string | null, prefix: string): string | null {
  return text?.startsWith(prefix) ? text.slice(prefix.length) : null;
}

function textOf(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name];
  return typeof value === 'string' && value !== '' ? value : null;
}
