// Keeps secrets of a request's headers out of what is stored or shown. Called by routes/hooks.ts and routes/echo.ts.
import type { IncomingHttpHeaders } from 'node:http';
import type { JsonObject } from '../dag/vocabulary.ts';

const SECRET =
  /(^|-)auth(-|$|ori|enti)|cookie|token|secret|passw|api-?key|access-?key|credential|session|signature|hmac|jwt|assertion/;

/** A copy; `also` is a further header that carries one. */
export function redactHeaders(headers: IncomingHttpHeaders, also = ''): JsonObject {
  const shown: JsonObject = {};
  for (const [name, value] of Object.entries(headers)) {
    // Of all names, this one alone would change the object instead of adding to it.
    if (value === undefined || name === '__proto__') continue;
    shown[name] = name === also || isSecret(name) ? '[redacted]' : value;
  }
  return shown;
}

const judged = new Map<string, boolean>();
const MOST_JUDGED = 1_000;

/** Senders use the same few names again and again. */
function isSecret(name: string): boolean {
  const known = judged.get(name);
  if (known !== undefined) return known;
  const secret = SECRET.test(name);
  if (judged.size < MOST_JUDGED) judged.set(name, secret);
  return secret;
}
