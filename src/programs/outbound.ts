// The one way out: every URL that a program calls passes here, redirects included, before anything is sent.
// Says what failed without repeating credentials, queries or headers, which may hold secrets.
import { context, propagation } from '@opentelemetry/api';
import { invalidParameters, ProgramError } from './program-error.ts';

export interface OutboundCall {
  method: string;
  url: string;
  headers: Record<string, string>;
  body?: string | undefined;
  signal: AbortSignal;
  /** Statuses that are an answer in themselves; a redirect among them is not followed. */
  expects: (status: number) => boolean;
}

export interface Answer {
  response: Response;
  /** Where the answer came from, fit for messages: `POST http://host/path`. */
  place: string;
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const REDIRECT_LIMIT = 10;
const PRIVATE_HEADERS = ['authorization', 'cookie', 'proxy-authorization'];

/** Sends a request and follows redirects; a network failure is a `NetworkError` that names its cause. */
export async function callOut(call: OutboundCall): Promise<Answer> {
  let hop = { ...call, url: checkUrl(call.url), headers: checkHeaders(call.headers) };
  for (let hops = 0; hops <= REDIRECT_LIMIT; hops++) {
    const place = describePlace(hop.method, hop.url);
    const response = await send(hop, place);
    const location = response.headers.get('location');
    if (!REDIRECTS.has(response.status) || location === null || call.expects(response.status))
      return { response, place };
    await response.body?.cancel();
    hop = follow(hop, response.status, location);
  }
  throw new ProgramError(`${call.method}: more than ${REDIRECT_LIMIT} redirects`, { name: 'NetworkError' });
}

/** Rethrows the reason of an aborted call as it is, anything else as a `NetworkError`. */
export function failNetwork(thrown: unknown, signal: AbortSignal, place: string): never {
  if (signal.aborted) throw signal.reason;
  // fetch says only "fetch failed" itself.
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown;
  const code = (cause as NodeJS.ErrnoException).code;
  const details = typeof code === 'string' ? { code } : {};
  throw new ProgramError(`${place}: ${describeCause(cause)}`, { name: 'NetworkError', details, cause });
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

function checkHeaders(given: Record<string, string>): Headers {
  const headers = new Headers({ 'user-agent': 'umbel', ...traceHeaders() });
  for (const [name, value] of Object.entries(given)) {
    try {
      headers.set(name, value);
    } catch {
      // The original message repeats the value.
      throw invalidParameters(
        `header ${JSON.stringify(name)} has a name or a value that HTTP does not allow`,
      );
    }
  }
  return headers;
}

/** `traceparent` and what else the registered propagator knows; nothing without an OpenTelemetry SDK. */
function traceHeaders(): Record<string, string> {
  const headers: Record<string, string> = {};
  propagation.inject(context.active(), headers);
  return headers;
}

type Hop = Omit<OutboundCall, 'url' | 'headers'> & { url: URL; headers: Headers };

async function send({ method, url, headers, body, signal }: Hop, place: string): Promise<Response> {
  const { target, authorization } = takeCredentials(url);
  if (authorization && !headers.has('authorization')) headers.set('authorization', authorization);
  try {
    return await fetch(target, {
      method,
      headers,
      signal,
      redirect: 'manual',
      ...(body === undefined ? {} : { body }),
    });
  } catch (thrown) {
    return failNetwork(thrown, signal, place);
  }
}

// fetch refuses a URL with credentials and repeats them in its message.
function takeCredentials(url: URL): { target: URL; authorization?: string } {
  if (!url.username && !url.password) return { target: url };
  const target = new URL(url);
  target.username = target.password = '';
  const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return { target, authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}

function follow(hop: Hop, status: number, location: string): Hop {
  const url = checkUrl(location, hop.url);
  const headers = new Headers(hop.headers);
  if (url.origin !== hop.url.origin) for (const name of PRIVATE_HEADERS) headers.delete(name);
  if (!becomesGet(hop.method, status)) return { ...hop, url, headers };
  headers.delete('content-type');
  return { ...hop, method: 'GET', body: undefined, url, headers };
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
