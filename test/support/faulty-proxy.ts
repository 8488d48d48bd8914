// A way to Postgres that misbehaves as networks do: it holds bytes back, breaks connections, closes half of them, loses answers.
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface FaultyProxy {
  /** The address that leads through it. */
  url: string;
  /** Holds every byte back, both ways, on old and new connections; what is held arrives after `release`, even from those who gave up. */
  hold: () => void;
  release: () => void;
  /** Breaks every connection. */
  drop: () => void;
  /** Ends one direction of every connection and says nothing to the other side. */
  halfClose: (towards: 'server' | 'client') => void;
  /** Milliseconds that every piece takes from now on. */
  delay: (ms: number) => void;
  /** Lets the next `count` requests that hold this text through, waits until they are carried out, and breaks the connection instead of answering. */
  loseAnswers: (text: string, count: number) => void;
  /** Answers lost so far. */
  lost: () => number;
  close: () => Promise<void>;
}

interface Link {
  near: Socket;
  far: Socket;
  losing: boolean;
  deaf: boolean;
}

const READY_FOR_QUERY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

export async function makeFaultyProxy(target: string): Promise<FaultyProxy> {
  const { hostname, port } = new URL(target);
  const links = new Set<Link>();
  const sockets = new Set<Socket>();
  const state = { delay: 0, losing: { text: '', count: 0 }, lost: 0 };
  let gate = Promise.resolve();
  let open = () => {};

  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port: Number(port), host: hostname, allowHalfOpen: true });
    const link: Link = { near, far, losing: false, deaf: false };
    links.add(link);
    forward(link, near, far, (piece) => hearRequest(link, piece));
    forward(link, far, near, (piece) => hearAnswer(link, piece));
  });

  /** Everything in order, each piece when the gate is open and its time has come. */
  function forward(link: Link, from: Socket, to: Socket, hear: (piece: Buffer) => boolean): void {
    let line = Promise.resolve();
    const then = (work: () => void) => {
      const wait = state.delay;
      line = line
        .then(() => gate)
        .then(async () => {
          if (wait > 0) await sleep(wait);
          work();
        });
    };
    sockets.add(from.setNoDelay(true));
    from.on('data', (piece: Buffer) => then(() => hear(piece) && to.write(piece)));
    from.on('end', () => then(() => !link.deaf && to.end()));
    from.on('error', () => {});
    from.on('close', () => {
      sockets.delete(from);
      then(() => {
        if (!link.deaf) to.end();
        links.delete(link);
      });
    });
  }

  function hearRequest(link: Link, piece: Buffer): boolean {
    const { losing } = state;
    if (losing.count > 0 && piece.includes(losing.text)) {
      losing.count -= 1;
      link.losing = true;
    }
    return true;
  }

  function hearAnswer(link: Link, piece: Buffer): boolean {
    if (!link.losing) return !link.deaf;
    if (piece.includes(READY_FOR_QUERY)) {
      state.lost += 1;
      breakLink(link);
    }
    return false;
  }

  function breakLink({ near, far }: Link): void {
    near.resetAndDestroy();
    far.destroy();
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const outside = new URL(target);
  outside.hostname = '127.0.0.1';
  outside.port = String((server.address() as AddressInfo).port);
  const release = () => {
    open();
    gate = Promise.resolve();
    open = () => {};
  };
  return {
    url: outside.href,
    hold() {
      release();
      gate = new Promise((resolve) => (open = resolve));
    },
    release,
    drop: () => links.forEach(breakLink),
    halfClose(towards) {
      for (const link of links) {
        link.deaf = true;
        if (towards === 'server') link.far.end();
        else link.near.end();
      }
    },
    delay: (ms) => void (state.delay = ms),
    loseAnswers: (text, count) => void (state.losing = { text, count }),
    lost: () => state.lost,
    async close() {
      release();
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}
