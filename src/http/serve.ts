// Listening and going away again. Called by cmd/.
import { messageOf, UmbelError } from '../errors.ts';
import type { App } from './app.ts';

export interface Listen {
  host: string;
  /** 0: any that is free. */
  port: number;
}

const SWEEP_MS = 50;

/** Starts listening and gives the address, `http://127.0.0.1:8000`. Errors: `PORT_TAKEN`, `ADDRESS_UNUSABLE`. */
export async function serve(app: App, { host, port }: Listen): Promise<string> {
  try {
    return await app.listen({ host, port });
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE') {
      throw new UmbelError('PORT_TAKEN', { host, port }, { cause });
    }
    throw new UmbelError('ADDRESS_UNUSABLE', { host, port, reason: messageOf(cause) }, { cause });
  }
}

/** Stops accepting, lets requests under way end, then closes; what is left after the grace time (ms) is cut off. */
export async function stopServing(app: App, grace = 10_000): Promise<void> {
  // Closing spares connections that are busy, and nobody looks at them again when they have answered.
  const sweep = setInterval(() => app.server.closeIdleConnections(), SWEEP_MS);
  const cut = setTimeout(() => app.server.closeAllConnections(), grace);
  try {
    await app.close();
  } finally {
    clearInterval(sweep);
    clearTimeout(cut);
  }
}
