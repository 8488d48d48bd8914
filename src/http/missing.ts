// What to say when no route fits: 405 when the path is known under another method, else 404. Installed by app.ts.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { UmbelError } from '../errors.ts';

interface KnownPath {
  pattern: RegExp;
  methods: Set<string>;
}

/** Must be called before the first route is added. */
export function answerMissingRoutes(app: FastifyInstance): void {
  const paths = new Map<string, KnownPath>();
  app.addHook('onRoute', ({ url, method }) => {
    const path = paths.get(url) ?? { pattern: toPattern(url), methods: new Set() };
    for (const one of [method].flat()) path.methods.add(one);
    paths.set(url, path);
  });
  // In onRequest, so that the answer does not hang on a body that nobody will read.
  app.addHook('onRequest', (request, reply, done) => {
    done(request.is404 ? describeMissing(request, reply, [...paths.values()]) : undefined);
  });
  // For files below /docs/static that do not exist.
  app.setNotFoundHandler(({ method, url }) => {
    throw new UmbelError('ROUTE_NOT_FOUND', { method, path: readPath(url) });
  });
}

function describeMissing(request: FastifyRequest, reply: FastifyReply, paths: KnownPath[]): UmbelError {
  const { method } = request;
  const path = readPath(request.url);
  const allowed = [
    ...new Set(paths.flatMap((known) => (known.pattern.test(path) ? [...known.methods] : []))),
  ].sort();
  if (allowed.length === 0) return new UmbelError('ROUTE_NOT_FOUND', { method, path });
  void reply.header('allow', allowed.join(', '));
  return new UmbelError('METHOD_NOT_ALLOWED', { method, path, allowed });
}

function toPattern(url: string): RegExp {
  const source = url
    .replace(/[.+?^${}()|[\]\\]/g, String.raw`\$&`)
    .replace(/:\w+/g, '[^/]+')
    .replace('*', '.*');
  return new RegExp(`^${source}$`, 's');
}

function readPath(url: string): string {
  const path = url.split(/[?#]/, 1)[0] ?? '';
  try {
    return decodeURI(path);
  } catch {
    return path;
  }
}
