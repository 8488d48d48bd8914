// A way to a server that can be shut and opened again, for tests of what happens while the database is away.
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface Door {
  /** The address that leads through the door. */
  url: string;
  /** Breaks every connection and refuses new ones. */
  shut: () => Promise<void>;
  /** Opens it again, to where it led before or to the server of another address. */
  open: (elsewhere?: string) => Promise<void>;
}

/** An open door to the server of `url`. */
export async function makeDoor(url: string): Promise<Door> {
  let target = new URL(url);
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(target.port || 5432), target.hostname);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => sockets.delete(one));
    }
  });
  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const port = await listen(0);
  const outside = new URL(url);
  outside.hostname = '127.0.0.1';
  outside.port = String(port);
  return {
    url: outside.href,
    open: async (elsewhere = target.href) => {
      target = new URL(elsewhere);
      await listen(port);
    },
    shut: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
