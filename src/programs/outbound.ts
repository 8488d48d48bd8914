// The one way out: every URL that a program calls passes here, redirects included, before anything is sent.
// Says what failed without repeating credentials, queries or headers, which may hold secrets.
import { validateHeaderName, validateHeaderValue } from 'node:http';
import { context, propagation } from '@opentelemetry/api';
import { ACCEPTED_CODINGS } from './content-coding.ts';
import { makeExchange, type Exchange, type Reply, type Request } from './exchange.ts';
import { invalidParameters, ProgramError } from './program-error.ts';
import { makeReach, NOT_PERMITTED, type Reach } from './reach.ts';

export interface OutboundCall {
  method: string;
  url: string;
  /** Names in lower case. */
  headers: Record<string, string>;
  body?: string | undefined;
  /** The only limit on the time it takes. */
  signal: AbortSignal;
  /** Statuses that are an answer in themselves; a redirect among them is not followed. */
  expects: (status: number) => boolean;
}

export interface Answer extends Reply {
  /** Where the answer came from, fit for messages: `POST http://host/path`. */
  place: string;
}

/** Sends a request and follows redirects; a network failure is a `NetworkError` that names its cause. */
export type CallOut = (call: OutboundCall) => Promise<Answer>;

/** A larger answer is refused. */
export const BODY_LIMIT = 1024 * 1024;
/** What is kept of an answer with an unexpected status. */
export const EXCERPT_LIMIT = 2048;

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const REDIRECT_LIMIT = 10;
const PRIVATE_HEADERS = ['authorization', 'cookie', 'proxy-authorization', 'host'];

/** Calls to public addresses, and to those of `allow`: host names, addresses, networks such as `10.0.0.0/8`. */
export function makeCallOut(allow: readonly string[]): CallOut {
  const reach = makeReach(allow);
  const exchange = makeExchange(reach.lookup);
  return (call) => callThrough(exchange, reach, call);
}

async function callThrough(exchange: Exchange, reach: Reach, call: OutboundCall): Promise<Answer> {
  const limitOf = (status: number) => (call.expects(status) ? BODY_LIMIT : EXCERPT_LIMIT);
  let hop: Request = { ...call, url: checkUrl(call.url), headers: checkHeaders(call.headers), limitOf };
  for (let hops = 0; hops <= REDIRECT_LIMIT; hops++) {
    const place = describePlace(hop.method, hop.url);
    if (!reach.permits(hop.url.hostname)) throw refuseHost(place);
    const reply = await exchange(withCredentials(hop)).catch((thrown: unknown) =>
      failNetwork(thrown, call.signal, place),
    );
    const location = reply.headers['location'];
    if (!REDIRECTS.has(reply.status) || location === undefined || call.expects(reply.status))
      return { ...reply, place };
    hop = follow(hop, reply.status, String(location));
  }
  throw new ProgramError(`${call.method}: more than ${REDIRECT_LIMIT} redirects`, { name: 'NetworkError' });
}

/** Rethrows the reason of an aborted call as it is, anything else as a `NetworkError`. */
export function failNetwork(thrown: unknown, signal: AbortSignal, place: string): never {
  if (signal.aborted) throw signal.reason;
  const { code } = thrown as NodeJS.ErrnoException;
  if (code === NOT_PERMITTED) throw refuseHost(place);
  const details = typeof code === 'string' ? { code } : {};
  throw new ProgramError(`${place}: ${describeCause(thrown)}`, {
    name: 'NetworkError',
    details,
    cause: thrown,
  });
}

function refuseHost(place: string): ProgramError {
  return invalidParameters(
    `${place}: the host is not at a public address; if tasks may call it, list it in OUTBOUND_ALLOW`,
  );
}

/** The URL parsed, once it is allowed to be called. */
function checkUrl(text: string, base?: URL): URL {
  const url = URL.parse(text, base);
  if (!url) throw invalidParameters('the URL is not one; it must look like https://host/path');
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw invalidParameters(
      `the URL's scheme is ${url.protocol.slice(0, -1)}; only http and https may be called`,
    );
  return url;
}

function checkHeaders(given: Record<string, string>): Record<string, string> {
  const checked = Object.entries(given).map(
    ([name, text]) => [name, checkHeader(name, text.trim())] as const,
  );
  return {
    accept: '*/*',
    'accept-encoding': ACCEPTED_CODINGS,
    'user-agent': 'umbel',
    ...traceHeaders(),
    ...Object.fromEntries(checked),
  };
}

function checkHeader(name: string, value: string): string {
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
    return value;
  } catch {
    // The original message repeats the value.
    throw invalidParameters(`header ${JSON.stringify(name)} has a name or a value that HTTP does not allow`);
  }
}

/** `traceparent` and what else the registered propagator knows; nothing without an OpenTelemetry SDK. */
function traceHeaders(): Record<string, string> {
  const headers: Record<string, string> = {};
  propagation.inject(context.active(), headers);
  return headers;
}

/** Credentials of the URL as a header, unless there is one. */
function withCredentials(hop: Request): Request {
  const { username, password } = hop.url;
  if ((!username && !password) || hop.headers['authorization'] !== undefined) return hop;
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
  return { ...hop, headers: { ...hop.headers, authorization } };
}

function follow(hop: Request, status: number, location: string): Request {
  const url = checkUrl(location, hop.url);
  const headers = url.origin === hop.url.origin ? hop.headers : without(hop.headers, PRIVATE_HEADERS);
  if (!becomesGet(hop.method, status)) return { ...hop, url, headers };
  return { ...hop, method: 'GET', body: undefined, url, headers: without(headers, ['content-type']) };
}

function without(headers: Record<string, string>, names: string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name)));
}

function becomesGet(method: string, status: number): boolean {
  if (status === 303) return method !== 'GET' && method !== 'HEAD';
  return (status === 301 || status === 302) && method === 'POST';
}

/** A call as messages name it: without credentials and query. */
export function describePlace(method: string, url: URL): string {
  return `${method} ${url.origin}${url.pathname}`;
}

function describeCause(cause: unknown): string {
  // A host with several addresses fails once for each.
  if (cause instanceof AggregateError) return cause.errors.map(describeCause).join('; ');
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}
