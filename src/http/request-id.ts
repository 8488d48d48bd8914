// The name of a call: the sender's own, so that a repeat is known, or a new one. Called by routes/hooks.ts.
import type { IncomingHttpHeaders } from 'node:http';
import { v7 as makeId } from 'uuid';
import { UmbelError } from '../errors.ts';
import type { Identity } from '../triggers/hook-start.ts';
import type { Genuine } from '../triggers/signature.ts';

const FORM = /^[\x21-\x7e]{1,200}$/;

/** A name that is signed goes before `x-request-id`. Errors: `HEADER_INVALID`. */
export function identify(headers: IncomingHttpHeaders, proof: Genuine | null): Identity {
  const given = headers['x-request-id'];
  const name = proof?.id ?? given;
  if (name === undefined) return { requestId: makeId(), chosen: false };
  if (typeof name === 'string' && FORM.test(name)) return { requestId: name, chosen: true };
  const header = proof?.id == null ? 'x-request-id' : 'webhook-id';
  throw new UmbelError('HEADER_INVALID', { header, reason: 'must be 1 to 200 visible ASCII characters' });
}
