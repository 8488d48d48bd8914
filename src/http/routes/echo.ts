// /echo answers with what it was sent. The sample flow posts to it, so that it works without any network.
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { App } from '../app.ts';
import { redactHeaders } from '../secret-headers.ts';

const Echo = Type.Object({
  method: Type.String(),
  headers: Type.Record(Type.String(), Type.Unknown()),
  query: Type.Record(Type.String(), Type.Unknown()),
  body: Type.Unknown({ description: 'parsed when it is JSON, else text; null when there is none' }),
});

export function addEchoRoutes(app: App): void {
  // A scope of its own: here, and only here, bodies of every type are read.
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'string' }, (_request, text: string, done) =>
      done(null, readBody(text)),
    );
    scope.get('/echo', { schema: describe('Answers with the request') }, echo);
    scope.post('/echo', { schema: describe('Answers with the request and its body') }, echo);
  });
}

function describe(summary: string) {
  return { tags: ['echo'], summary, response: { 200: Echo } };
}

function echo({ method, headers, query, body }: FastifyRequest) {
  return {
    method,
    headers: redactHeaders(headers),
    query: query as Record<string, unknown>,
    body: body ?? null,
  };
}

function readBody(text: string): unknown {
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
