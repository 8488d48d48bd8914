// Whether a call was signed by somebody who knows one of the hook's secrets, and lately. Pure. Called by hooks.ts.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { SignatureRule } from './hook-settings.ts';
import { readBytes, type Claim } from './signature-schemes.ts';

export interface Signed {
  headers: IncomingHttpHeaders;
  /** The body as it came. */
  raw: Buffer;
}

export interface Genuine {
  genuine: true;
  /** What a second call like this one is known by, and until when (ms since 1970); null: nothing signed tells two calls apart. */
  once: { seen: string; until: number } | null;
  /** The sender's name for the message; null: it has none. */
  id: string | null;
}

/** What is wrong, in words that tell nothing of the secrets. */
export type Judged = Genuine | { genuine: false; reason: string };

/** `keys`: of the secrets that are there, see `readKeys`. */
export function judgeSignature(
  { scheme, tolerance }: SignatureRule,
  keys: Buffer[],
  { headers, raw }: Signed,
  now: number,
): Judged {
  const claim = scheme.readClaim(headers);
  if (claim === null) return refuse(`the header ${scheme.header} is missing or not of the expected form`);
  if (!isSignedBy(claim, keys, raw, scheme)) return refuse('the signature is not that of the body');
  const sentAt = claim.sentAt === null ? null : claim.sentAt * 1000;
  if (sentAt !== null && Math.abs(now - sentAt) > tolerance)
    return refuse('the signed time is too far from now');
  const once = sentAt === null ? null : { seen: hashOf(claim, raw), until: sentAt + tolerance };
  return { genuine: true, once, id: claim.id };
}

/** The keys of the rule's secrets, and the names of those that are missing or not written as the sender writes them. */
export function readKeys(
  { scheme, secrets }: SignatureRule,
  findSecret: (name: string) => string | undefined,
): { keys: Buffer[]; missing: string[] } {
  const found = secrets.map((name) => {
    const secret = findSecret(name);
    return { name, key: secret === undefined ? null : scheme.keyOf(secret) };
  });
  return {
    keys: found.flatMap(({ key }) => (key === null ? [] : [key])),
    missing: found.flatMap(({ name, key }) => (key === null ? [name] : [])),
  };
}

/** Compares every claimed signature with that of every key, in a time that does not depend on which fits. */
function isSignedBy(
  { signatures, prefix }: Claim,
  keys: Buffer[],
  raw: Buffer,
  { algorithm, encoding }: SignatureRule['scheme'],
): boolean {
  const claimed = signatures.map((text) => readBytes(text, encoding));
  let fits = false;
  for (const key of keys) {
    const right = createHmac(algorithm, key).update(prefix).update(raw).digest();
    for (const one of claimed) if (one?.length === right.length && timingSafeEqual(one, right)) fits = true;
  }
  return fits;
}

/** Of what was signed, not of the signature: that one differs from secret to secret. */
function hashOf({ prefix }: Claim, raw: Buffer): string {
  return createHash('sha256').update(prefix).update(raw).digest('base64url');
}

function refuse(reason: string): Judged {
  return { genuine: false, reason };
}
