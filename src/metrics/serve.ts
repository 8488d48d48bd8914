// `/metrics` of a process that has no HTTP application, such as `umbel watch --metrics-port`. Called by cmd/watch.ts.
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf, UmbelError } from '../errors.ts';
import type { Metrics } from './metrics.ts';

export interface MetricsServer {
  address: string;
  stop: () => Promise<void>;
}

/** Port 0 takes a free one. Errors: `PORT_TAKEN`, `ADDRESS_UNUSABLE`. */
export async function serveMetrics(
  metrics: Metrics,
  { host, port }: { host: string; port: number },
): Promise<MetricsServer> {
  const server = createServer((request, reply) => {
    if (request.url?.split('?', 1)[0] !== '/metrics' || request.method !== 'GET')
      return void reply.writeHead(404, { 'content-type': 'text/plain' }).end('There is only GET /metrics.\n');
    return void answer(metrics, reply);
  });
  server.listen({ host, port });
  await once(server, 'listening').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EADDRINUSE') throw new UmbelError('PORT_TAKEN', { host, port }, { cause });
    throw new UmbelError('ADDRESS_UNUSABLE', { host, port, reason: messageOf(cause) }, { cause });
  });
  const { port: taken } = server.address() as AddressInfo;
  return {
    address: `http://${host.includes(':') ? `[${host}]` : host}:${taken}/metrics`,
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

async function answer(metrics: Metrics, reply: ServerResponse): Promise<void> {
  try {
    const { type, text } = await metrics.read();
    reply.writeHead(200, { 'content-type': type }).end(text);
  } catch (error) {
    reply.writeHead(500, { 'content-type': 'text/plain' }).end(`${messageOf(error)}\n`);
  }
}
