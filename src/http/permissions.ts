// Which permission each route needs: the one table, and the guard that app.ts puts before every route.
// A route that is not in the table, or an entry without a route, keeps the app from starting.
import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify';
import { UmbelError } from '../errors.ts';
import { findForeignPage } from './foreign-pages.ts';

/** `public` needs no caller; `docs` any caller. */
export type Permission =
  | 'public'
  | 'docs'
  | 'executions.start'
  | 'executions.read'
  | 'executions.control'
  | 'flows.read'
  | 'flows.write'
  | 'events.read'
  | 'events.write'
  | 'flows.control'
  | 'flows.bulk'
  | 'components.read'
  | 'components.write'
  | 'components.control'
  | 'metrics.read';

/** Who asks. The tenant comes from here alone, never from what was sent. */
export interface Caller {
  user: string;
  tenant: string;
  permissions: 'all' | ReadonlySet<string>;
}

/** `METHOD pattern` of every route; HEAD goes with its GET. */
export const PERMISSIONS: Readonly<Record<string, Permission>> = {
  'GET /healthz': 'public',
  'GET /readyz': 'public',
  'GET /metrics': 'metrics.read',
  'GET /echo': 'public',
  'POST /echo': 'public',
  'GET /openapi.json': 'docs',
  'GET /docs': 'docs',
  'GET /docs/': 'docs',
  'GET /docs/json': 'docs',
  'GET /docs/yaml': 'docs',
  'GET /docs/static/index.html': 'docs',
  'GET /docs/static/swagger-initializer.js': 'docs',
  'GET /docs/static/*': 'docs',
  'POST /register/*': 'executions.start',
  'GET /hook/:flow': 'public',
  'POST /hook/:flow': 'public',
  'GET /hook/:flow/*': 'public',
  'POST /hook/:flow/*': 'public',
  'GET /flows': 'flows.read',
  'POST /flows': 'flows.write',
  'PATCH /flows/bulk': 'flows.bulk',
  'GET /flows/:flow': 'flows.read',
  'PATCH /flows/:flow': 'flows.write',
  'PUT /flows/:flow': 'flows.write',
  'DELETE /flows/:flow': 'flows.write',
  'POST /flows/:flow/start': 'flows.control',
  'POST /flows/:flow/stop': 'flows.control',
  'POST /flows/multiple/start': 'flows.control',
  'POST /flows/multiple/stop': 'flows.control',
  'GET /components': 'components.read',
  'POST /components': 'components.write',
  'GET /components/:component': 'components.read',
  'PATCH /components/:component': 'components.write',
  'DELETE /components/:component': 'components.write',
  'POST /components/global/:component/start': 'components.control',
  'POST /components/global/:component/stop': 'components.control',
  'GET /flows/:flow/steps': 'flows.read',
  'POST /flows/:flow/steps': 'flows.write',
  'PUT /flows/:flow/steps/:step': 'flows.write',
  'DELETE /flows/:flow/steps/:step': 'flows.write',
  'GET /flows/:flow/steps/:step/logs': 'flows.read',
  'GET /flows/:flow/graph': 'flows.read',
  'GET /flows/:flow/versions': 'flows.read',
  'GET /flows/:flow/schedule': 'flows.read',
  'POST /flows/:flow/schedule/pause': 'flows.control',
  'POST /flows/:flow/schedule/resume': 'flows.control',
  'POST /flows/:flow/executions': 'executions.start',
  'POST /executions': 'executions.start',
  'GET /executions': 'executions.read',
  'GET /executions/:id': 'executions.read',
  'GET /executions/:id/tasks/:step/logs': 'executions.read',
  'GET /executions/:id/tasks/:step/result': 'executions.read',
  'POST /executions/:id/pause': 'executions.control',
  'POST /executions/:id/resume': 'executions.control',
  'POST /executions/:id/abort': 'executions.control',
  'POST /executions/:id/signals/:name': 'executions.control',
  // The token in the path is the credential: it cannot be guessed, and is good for one task.
  'POST /tasks/:token/complete': 'public',
  'POST /tasks/:token/fail': 'public',
  'POST /tasks/:token/heartbeat': 'public',
  'POST /executions/:id/tasks/:step/rerun': 'executions.control',
  'POST /executions/:id/tasks/:step/skip': 'executions.control',
  'POST /executions/rerun': 'executions.control',
  'GET /events': 'events.read',
  'GET /subscriptions': 'events.read',
  'POST /subscriptions': 'events.write',
  'DELETE /subscriptions/:subscription': 'events.write',
  'GET /subscriptions/:subscription/deliveries': 'events.read',
  'POST /subscriptions/:subscription/deliveries/:delivery/retry': 'events.write',
};

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the guard before anything of the request's body is read; what it may do is judged once that was read. */
    caller: Caller;
  }
}

/** Who asks under `AUTH=off`, whoever it is. */
export const LOCAL_CALLER: Caller = { user: 'local', tenant: 'local', permissions: 'all' };

export type Authenticate = (request: FastifyRequest) => Caller;

export interface Guard {
  authenticate: Authenticate;
  /** Names under which the server may be called; undefined: any. */
  hosts?: ReadonlySet<string> | undefined;
}

/** Must be called before the first route is added. */
export function guardRoutes(
  app: FastifyInstance,
  guard: Guard,
  table: Readonly<Record<string, Permission>> = PERMISSIONS,
): void {
  const unused = new Set(Object.keys(table));
  app.decorateRequest('caller', null as unknown as Caller);
  app.addHook('onRoute', (route) => {
    const name = nameRoute(route);
    unused.delete(name);
    const permission = table[name];
    if (permission === undefined) throw new Error(`Route "${name}" has no entry in src/http/permissions.ts.`);
    guardRoute(route, permission, guard);
  });
  app.addHook('onReady', async () => {
    if (unused.size > 0) {
      throw new Error(`src/http/permissions.ts names routes that do not exist: ${[...unused].join(', ')}.`);
    }
  });
}

function nameRoute({ method, url }: RouteOptions): string {
  return `${String(method).replace(/^HEAD$|^GET,HEAD$|^HEAD,GET$/, 'GET')} ${url}`;
}

function guardRoute(route: RouteOptions, permission: Permission, { authenticate, hosts }: Guard): void {
  if (permission === 'public') return;
  const inner = route.onRequest === undefined ? [] : [route.onRequest].flat();
  route.onRequest = [
    (request, _reply, done) => {
      const reason = findForeignPage(request.method, request.headers, hosts);
      if (reason !== null) return done(new UmbelError('FOREIGN_PAGE', { reason }));
      request.caller = authenticate(request);
      done();
    },
    ...inner,
  ];
  // After a body that cannot be read was refused, before it is judged.
  const judged = route.preValidation === undefined ? [] : [route.preValidation].flat();
  route.preValidation = [
    (request, _reply, done) => {
      done(refuse(request.caller, permission));
    },
    ...judged,
  ];
}

/** For what a route does only sometimes. Errors: `MISSING_PERMISSION`. */
export function requirePermission(caller: Caller, permission: Permission): void {
  const refusal = refuse(caller, permission);
  if (refusal !== undefined) throw refusal;
}

function refuse(caller: Caller, permission: Permission): UmbelError | undefined {
  return mayPass(caller, permission) ? undefined : new UmbelError('MISSING_PERMISSION', { permission });
}

function mayPass({ permissions }: Caller, permission: Permission): boolean {
  return permission === 'docs' || permissions === 'all' || permissions.has(permission);
}
