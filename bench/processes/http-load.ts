// A process of HTTP clients, each with one kept connection and one request at a time. Asked `run`: sends so many POSTs in all,
// with a JSON body when its settings have one.
// Written on bare sockets, because a client that costs more than the server would be what is measured.
import { connect, type Socket } from 'node:net';
import { describeLatencies } from '../statistics.ts';
import { answerParent, readSettings } from './parent.ts';

const { address, path, clients, body } = readSettings() as {
  address: string;
  path: string;
  clients: number;
  body?: string;
};
const { hostname, port, host } = new URL(address);
const TYPE = body === undefined ? '' : 'content-type: application/json\r\n';
const HEAD = `POST ${path} HTTP/1.1\r\nhost: ${host}\r\n${TYPE}content-length: ${Buffer.byteLength(body ?? '')}\r\n\r\n`;
const REQUEST = Buffer.from(`${HEAD}${body ?? ''}`);
const LIMIT_MS = 300_000;

interface Run {
  left: number;
  answered: number;
  failed: number;
  firstFailure: string | undefined;
  latencies: number[];
  until: number;
}

answerParent({
  run: async ({ requests }) => {
    const until = performance.now() + LIMIT_MS;
    const run: Run = {
      left: Number(requests),
      answered: 0,
      failed: 0,
      firstFailure: undefined,
      latencies: [],
      until,
    };
    const began = performance.now();
    await Promise.all(Array.from({ length: clients }, () => runClient(run)));
    const { answered, failed, firstFailure, latencies } = run;
    const seconds = (performance.now() - began) / 1_000;
    return { seconds, answered, failed, firstFailure, ...describeLatencies('request', latencies) };
  },
});

function runClient(run: Run): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    socket.setNoDelay(true);
    let received = '';
    let sent = 0;
    const next = () => {
      if (run.left === 0 || performance.now() > run.until) {
        socket.end(resolve);
        return;
      }
      run.left -= 1;
      sent = performance.now();
      socket.write(REQUEST);
    };
    socket.once('connect', next);
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      const length = answerLength(received);
      if (received.length < length) return;
      note(run, received.slice(0, length), performance.now() - sent);
      received = received.slice(length);
      next();
    });
    failWith(socket, reject);
  });
}

function failWith(socket: Socket, reject: (error: Error) => void): void {
  socket.once('error', reject);
  socket.once('close', () => reject(new Error('the server closed a connection')));
}

function note(run: Run, answer: string, latency: number): void {
  run.latencies.push(latency);
  if (answer.startsWith('HTTP/1.1 200 ')) run.answered += 1;
  else {
    run.failed += 1;
    run.firstFailure ??= answer;
  }
}

/** Of head and body; Infinity until the head is complete. */
function answerLength(text: string): number {
  const head = text.indexOf('\r\n\r\n');
  if (head === -1) return Infinity;
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, head))?.[1];
  if (length === undefined) throw new Error('an answer without content-length');
  return head + 4 + Number(length);
}
