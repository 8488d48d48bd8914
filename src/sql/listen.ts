// A connection that listens on a channel of the database. Called by wake.ts and by events/.
import { Socket } from 'node:net';
import { Client } from 'pg';

/** Milliseconds that a connection gets to say goodbye. */
const GOODBYE = 1_000;

/** `onEnd` is called once when the connection is lost. Returns how to stop. */
export async function listen(
  { url, channel }: { url: string; channel: string },
  hear: (payload: string) => void,
  onEnd: (error?: Error) => void,
): Promise<() => Promise<void>> {
  const socket = new Socket();
  const client = new Client({
    connectionString: url,
    application_name: 'umbel listen',
    keepAlive: true,
    keepAliveInitialDelayMillis: 30_000,
    connectionTimeoutMillis: 10_000,
    stream: () => socket,
  });
  client.on('notification', ({ payload }) => hear(payload ?? ''));
  client.on('error', onEnd);
  await client.connect();
  await client.query(`listen ${channel}`);
  client.on('end', () => onEnd());
  return async () => {
    const cut = setTimeout(() => socket.destroy(), GOODBYE);
    await client.end();
    clearTimeout(cut);
  };
}
