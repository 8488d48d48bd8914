// Sends one request over kept connections and takes its answer, up to a limit. Called by outbound.ts for each hop.
import type { LookupFunction } from 'node:net';
import type { Agent, Dispatcher } from 'undici';

export interface Request {
  method: string;
  url: URL;
  headers: Record<string, string>;
  body?: string | undefined;
  signal: AbortSignal;
  /** Bytes of the body that are wanted, for a status; the rest is not received. */
  limitOf: (status: number) => number;
}

export interface Reply {
  status: number;
  statusText: string;
  /** Names in lower case; a list where a header came more than once. */
  headers: Record<string, string | string[] | undefined>;
  /** As sent: `content-encoding` still applies. */
  bytes: Buffer;
  /** Whether there was more than `limitOf` asked for. */
  isCut: boolean;
}

/** Settles at once when the signal aborts, with its reason; other failures come as the connection tells them. */
export type Exchange = (request: Request) => Promise<Reply>;

/** Makes the connections of a process; `lookup` finds the addresses they are made to. */
export function makeExchange(lookup: LookupFunction): Exchange {
  // Made by the first request: most watchers never send one.
  let agent: Promise<Agent> | undefined;
  return async (request) => {
    agent ??= makeAgent(lookup);
    return exchange(await agent, request);
  };
}

async function makeAgent(lookup: LookupFunction): Promise<Agent> {
  const { Agent } = await import('undici');
  return new Agent({
    connect: { lookup },
    connections: 1024,
    pipelining: 1,
    allowH2: false,
    // The request's signal limits the whole; a second limit would only cut long calls short.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
}

function exchange(agent: Agent, request: Request): Promise<Reply> {
  const { method, url, headers, body = null, signal } = request;
  if (signal.aborted) return Promise.reject(signal.reason as Error);
  const { promise, ...settle } = Promise.withResolvers<Reply>();
  const handler = makeHandler(request, settle);
  agent.dispatch({ origin: url.origin, path: url.pathname + url.search, method, headers, body }, handler);
  return promise;
}

type Settle = Pick<PromiseWithResolvers<Reply>, 'resolve' | 'reject'>;

// undici's own `request` answers an abort only once it has a connection, and makes a stream of every body.
function makeHandler({ signal, limitOf }: Request, settle: Settle): Dispatcher.DispatchHandler {
  const chunks: Buffer[] = [];
  const reply: Reply = { status: 0, statusText: '', headers: {}, bytes: Buffer.alloc(0), isCut: false };
  let [size, limit] = [0, 0];
  let controller: Dispatcher.DispatchController | undefined;
  const abort = () => {
    settle.reject(signal.reason);
    controller?.abort(signal.reason as Error);
  };
  const finish = () => {
    signal.removeEventListener('abort', abort);
    reply.bytes = (chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)).subarray(0, limit);
    settle.resolve(reply);
  };
  signal.addEventListener('abort', abort, { once: true });
  return {
    onRequestStart(given) {
      controller = given;
      if (signal.aborted) controller.abort(signal.reason as Error);
    },
    onResponseStart(_, status, headers, statusText = '') {
      // 1xx answers come before the real one.
      Object.assign(reply, { status, headers, statusText });
      limit = limitOf(status);
    },
    onResponseData(given, chunk) {
      chunks.push(chunk);
      size += chunk.byteLength;
      reply.isCut = size > limit;
      if (!reply.isCut) return;
      finish();
      given.abort(new Error('the rest of the answer is not wanted'));
    },
    onResponseEnd: finish,
    onResponseError(_, error) {
      signal.removeEventListener('abort', abort);
      settle.reject(error);
    },
  };
}
