// /hook/{flow} and any path below it: a flow's webhook. Public by its route; who may call is for the flow to say.
import type { IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify';
import { Type } from 'typebox';
import type { Json } from '../../dag/vocabulary.ts';
import { UmbelError } from '../../errors.ts';
import { makeHookMessage } from '../../triggers/hook-message.ts';
import type { Hooks } from '../../triggers/hooks.ts';
import type { Hook } from '../../triggers/open-hooks.ts';
import type { App, AppDeps } from '../app.ts';
import { gatherFields } from '../fields.ts';
import { findForeignPage } from '../foreign-pages.ts';
import { makeHookErrorHandler } from '../hook-errors.ts';
import { readHookBody } from '../hook-bodies.ts';
import { sendHookAnswer } from '../hook-replies.ts';
import { makeRawBodies, type RawBodies } from '../raw-body.ts';
import { identify } from '../request-id.ts';
import { Errors } from '../schemas.ts';
import { redactHeaders } from '../secret-headers.ts';

const Closed = Type.Object({ error: Type.String() });

declare module 'fastify' {
  interface FastifyRequest {
    /** Set before anything of the body is read, on routes of hooks. */
    hook: Hook;
  }
}

type Deps = Pick<AppDeps, 'hooks' | 'log' | 'hosts'>;

export function addHookRoutes(app: App, deps: Deps): void {
  const bodies = makeRawBodies();
  app.decorateRequest('hook', null as unknown as Hook);
  // A scope of its own: here bodies are kept as the bytes that were sent.
  void app.register(async (scope) => {
    const gone = cutOffAtClose(scope);
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', async ({ headers, hook }: FastifyRequest, stream: IncomingMessage) => {
      refuseEncoding(headers['content-encoding']);
      return bodies.read(headers, stream, hook.settings.maxBytes);
    });
    const call = makeCall(deps, bodies, gone);
    const about = { onRequest: makeFindHook(deps), errorHandler: makeHookErrorHandler(deps.hooks, deps.log) };
    for (const [path, hide] of [
      ['/hook/:flow', false],
      ['/hook/:flow/*', true],
    ] as const) {
      scope.head(path, { ...about, schema: { hide: true } }, (request, reply) =>
        answerHead(deps.hooks, request, reply),
      );
      scope.get(
        path,
        { ...about, ...describe('Start a flow by its webhook; the query is the body', hide) },
        call,
      );
      scope.post(path, { ...about, ...describe('Start a flow by its webhook', hide) }, call);
    }
  });
}

function describe(summary: string, hide: boolean): RouteShorthandOptions {
  const description =
    'Any path below it is the same hook. A synchronous hook answers what its flow answers; see docs/webhooks.md.';
  const response = { 404: Closed, 429: Errors, '5xx': Errors };
  return hide ? { schema: { hide } } : { schema: { tags: ['hooks'], summary, description, response } };
}

/** Finds the hook and refuses what can be refused by looking at the head of the request alone. */
function makeFindHook({ hooks, hosts }: Deps) {
  return async (request: FastifyRequest): Promise<void> => {
    const { flow } = request.params as { flow: string };
    const hook = hooks.known(flow) ?? (await hooks.read(flow));
    const unproven = hosts !== undefined && hook.settings.signature === null;
    const reason = unproven ? findForeignPage('POST', request.headers, hosts) : null;
    if (reason !== null) throw new UmbelError('FOREIGN_PAGE', { reason });
    if (request.method !== 'HEAD') hooks.admit(hook);
    request.hook = hook;
  };
}

function makeCall({ hooks }: Deps, bodies: RawBodies, gone: AbortSignal) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const { hook } = request;
    const { proof, body, identity } = await readCall(hooks, bodies, request);
    void reply.header('x-request-id', identity.requestId);
    const message = makeHookMessage(
      {
        method: request.method as 'GET' | 'POST',
        url: request.url,
        headers: redactHeaders(request.headers, hook.settings.signature?.scheme.header),
        query: readQuery(request),
        body,
        requestId: identity.requestId,
      },
      new Date(),
    );
    const leave = hook.settings.sync ? hooks.seat(hook) : undefined;
    try {
      const { id, outcome } = await hooks.start(hook, message, identity, proof);
      hooks.count(outcome);
      if (!hook.settings.sync)
        return reply.send({ data: { requestId: identity.requestId, message: 'thank you', executionId: id } });
      const answer = await hooks.waitForAnswer(hook, id, untilClosed(reply, gone));
      return await sendHookAnswer(reply, { requestId: identity.requestId, executionId: id }, answer);
    } finally {
      leave?.();
    }
  };
}

/** Proof first: nothing is made of a body that nobody vouches for. */
async function readCall(hooks: Hooks, bodies: RawBodies, request: FastifyRequest) {
  const { hook, headers } = request;
  const raw = (request.body as Buffer | undefined) ?? refuseBody(request);
  try {
    const proof = hooks.authenticate(hook, { headers, raw });
    const body: Json = request.method === 'GET' ? null : await readHookBody(raw, headers['content-type']);
    return { proof, body, identity: identify(headers, proof) };
  } finally {
    bodies.release(raw.length);
  }
}

const NOTHING = Buffer.alloc(0);

/** What GET and HEAD carry is not read, so no signature could cover it. */
function refuseBody({ headers, method }: FastifyRequest): Buffer {
  const length = headers['content-length'];
  if (method === 'POST' || (headers['transfer-encoding'] === undefined && (length ?? '0') === '0'))
    return NOTHING;
  throw new UmbelError('BODY_MALFORMED', { reason: `a ${method} has none` });
}

function refuseEncoding(coding: string | undefined): void {
  if (coding === undefined || coding === 'identity') return;
  throw new UmbelError('MEDIA_TYPE_UNSUPPORTED', {
    mediaType: `content-encoding: ${coding}`,
    known: 'it as it is',
  });
}

function readQuery({ query }: FastifyRequest) {
  return gatherFields(
    Object.entries(query as Record<string, string | string[]>).flatMap(([name, value]) =>
      [value].flat().map((one): [string, string] => [name, one]),
    ),
  );
}

function answerHead(hooks: Hooks, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { hook, headers } = request;
  hooks.authenticate(hook, { headers, raw: refuseBody(request) });
  return reply.send();
}

/** Aborts when the caller is gone, or the server stops: nobody waits any more. */
function untilClosed(reply: FastifyReply, gone: AbortSignal): AbortSignal {
  const closed = new AbortController();
  const abort = () => closed.abort();
  reply.raw.once('close', () => {
    gone.removeEventListener('abort', abort);
    abort();
  });
  gone.addEventListener('abort', abort);
  if (gone.aborted) abort();
  return closed.signal;
}

/** Who still waits when the server stops is told so, instead of being cut off. */
function cutOffAtClose(scope: App): AbortSignal {
  const closing = new AbortController();
  scope.addHook('preClose', (done) => {
    closing.abort();
    done();
  });
  return closing.signal;
}
