// An HTTP server that answers every request after a set time: the outside world of the real-work shape.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { answerParent, readSettings } from './parent.ts';

const { afterMs } = readSettings() as { afterMs: number };
const server = createServer({ keepAliveTimeout: 60_000 }, (_request, response) => {
  setTimeout(() => {
    response.setHeader('content-type', 'application/json');
    response.end('{"ok":true}');
  }, afterMs);
});
server.listen(0, '127.0.0.1', 1_024);
await once(server, 'listening');

answerParent({}, { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
