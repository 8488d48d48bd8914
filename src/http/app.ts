// The HTTP application: limits, headers, errors, and the list of its routes. Called by cmd/, listened to by serve.ts.
import { fastify, type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import { type TypeBoxTypeProvider, TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Registrar } from '../registrar/registrar.ts';
import type { Hooks } from '../triggers/hooks.ts';
import type { Schedules } from '../triggers/schedules.ts';
import { UmbelError } from '../errors.ts';
import type { Hub } from '../events/hub.ts';
import type { Subscriptions } from '../events/subscriptions.ts';
import { makeErrorHandler } from './errors.ts';
import { setHeaders } from './headers.ts';
import { readJsonBodies } from './json.ts';
import { answerMissingRoutes } from './missing.ts';
import { type Authenticate, guardRoutes, LOCAL_CALLER } from './permissions.ts';
import { addRoutes } from './routes.ts';

export type App = FastifyInstance<
  Server,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

export interface HttpLog {
  warn: (details: object, message: string) => void;
  error: (details: object, message: string) => void;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answers for as long as the client listens, so the time it takes says nothing. */
    isStream?: boolean;
  }
}

export interface AppDeps extends Registrar {
  /** Gives events to those who listen. Default: nothing happens. */
  events?: Hub;
  subscriptions?: Subscriptions;
  hooks: Hooks;
  schedules: Schedules;
  log: HttpLog;
  /** The metrics of the process, in Prometheus's text form. Default: none. */
  readMetrics?: () => Promise<{ type: string; text: string }>;
  /** Told of every answered request; `route` is the pattern, not the path. */
  observeRequest?: (method: string, route: string, status: number, ms: number) => void;
  /** Default: everybody is the local user, who may do everything. */
  authenticate?: Authenticate;
  /** Where others reach the server, once it listens; absent: no address is shown. */
  publicUrl?: () => string;
  /** Names under which it may be called, besides addresses and localhost; undefined: any. */
  hosts?: ReadonlySet<string> | undefined;
}

const BODY_LIMIT = 1 << 20;
/** 256 characters of an id, each up to 12 bytes when percent-encoded, and some to spare for saying that one is too long. */
const LONGEST_PARAM = 8192;
const SLOW_MS = 1000;

/** Ready to listen or to inject into; rejects when a route and the permission table disagree. */
export async function makeApp(deps: AppDeps): Promise<App> {
  const answerError = makeErrorHandler(deps.log);
  const app: App = fastify({
    bodyLimit: BODY_LIMIT,
    requestTimeout: 30_000,
    keepAliveTimeout: 72_000,
    http: { headersTimeout: 10_000 },
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: LONGEST_PARAM },
    frameworkErrors: (error, request, reply) => answerError(error, request, setHeaders(reply)),
  })
    .withTypeProvider<TypeBoxTypeProvider>()
    .setValidatorCompiler(TypeBoxValidatorCompiler);
  app.setErrorHandler(answerError);
  app.addHook('onRequest', (request, reply, done) => {
    setHeaders(reply);
    done(
      request.url.includes('%00')
        ? new UmbelError('PATH_INVALID', { reason: 'it holds a NUL character' })
        : undefined,
    );
  });
  watchRequests(app, deps);
  readJsonBodies(app);
  answerMissingRoutes(app);
  guardRoutes(app, { authenticate: deps.authenticate ?? (() => LOCAL_CALLER), hosts: deps.hosts });
  await addRoutes(app, deps);
  await app.ready();
  return app;
}

function watchRequests(app: App, { log, observeRequest }: AppDeps): void {
  app.addHook('onResponse', (request, reply, done) => {
    if (request.routeOptions.config.isStream) return done();
    const { elapsedTime } = reply;
    observeRequest?.(request.method, request.routeOptions.url ?? 'none', reply.statusCode, elapsedTime);
    if (elapsedTime > SLOW_MS)
      log.warn({ method: request.method, url: request.url, ms: Math.round(elapsedTime) }, 'slow request');
    done();
  });
}
