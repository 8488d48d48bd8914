// The headers that every answer carries. Called by app.ts.
import type { FastifyReply } from 'fastify';

const HEADERS = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
};

export function setHeaders(reply: FastifyReply): FastifyReply {
  return reply.headers(HEADERS);
}
