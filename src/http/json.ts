// Reads JSON bodies: refuses what could not be stored as it was sent, or would change a prototype. Installed by app.ts.
import type { FastifyInstance } from 'fastify';
import type { Problem } from '../dag/vocabulary.ts';
import { messageOf, UmbelError } from '../errors.ts';

const DEEPEST = 64;

/** An empty body reads as `{}`. Errors: `BODY_MALFORMED`, `BODY_INVALID` with the path of what cannot be taken. */
export function readJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, text: string, done) => {
    try {
      done(null, text.length === 0 ? {} : readJson(text));
    } catch (error) {
      done(error as Error);
    }
  });
}

export function readJson(text: string): unknown {
  return refuseUnstorable(parseJson(text.startsWith('\uFEFF') ? text.slice(1) : text));
}

/** The body itself. Errors: `BODY_INVALID`. */
export function refuseUnstorable<Body>(body: Body): Body {
  const problem = findRefusal(body, '', 1);
  if (problem !== null) throw new UmbelError('BODY_INVALID', { problems: [problem] });
  return body;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new UmbelError(
      'BODY_MALFORMED',
      { reason: `it is not valid JSON (${messageOf(cause)})` },
      { cause },
    );
  }
}

/** Lets a call without a body say any content type, or none: its body then reads as `{}`. */
export function ignoreTypeOfEmptyBody(request: {
  headers: NodeJS.Dict<string | string[]>;
  body: unknown;
}): void {
  const { headers } = request;
  const length = headers['content-length'];
  if (headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')) return;
  delete headers['content-type'];
  request.body = {};
}

/** The first value that Postgres would not take or not give back as it is, or a key that could change a prototype. */
function findRefusal(value: unknown, path: string, depth: number): Problem | null {
  if (typeof value === 'string') return refuseText(value, path);
  if (typeof value === 'number')
    return Number.isFinite(value) ? null : { path, message: 'a number is too large' };
  if (typeof value !== 'object' || value === null) return null;
  if (depth > DEEPEST) return { path: '', message: `it is nested more than ${DEEPEST} levels deep` };
  for (const key of Object.keys(value)) {
    const part: unknown = value[key as keyof typeof value];
    const at = path === '' ? key : `${path}.${key}`;
    const problem = refuseKey(key, part, path) ?? findRefusal(part, at, depth + 1);
    if (problem !== null) return problem;
  }
  return null;
}

function refuseKey(key: string, part: unknown, path: string): Problem | null {
  const poisons =
    key === 'constructor' && typeof part === 'object' && part !== null && Object.hasOwn(part, 'prototype');
  if (key === '__proto__' || poisons) return { path, message: `the key "${key}" is not allowed` };
  return refuseText(key, path);
}

function refuseText(text: string, path: string): Problem | null {
  if (text.includes('\0')) return { path, message: 'a text holds a NUL character' };
  return text.isWellFormed() ? null : { path, message: 'a text holds half of a surrogate pair' };
}
