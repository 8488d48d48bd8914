// The right to read for a consumer: one process has it, and renews it while it lives. Called by consumer.ts.
import { randomUUID } from 'node:crypto';
import type { Logger } from '../log.ts';
import type { Database, Db, Tx } from '../sql/database.ts';
import { leaseCursor, moveCursor, releaseCursor } from '../sql/event-cursors.ts';
import type { Position } from '../sql/events.ts';
import type { Bell } from './bell.ts';

export interface Lease {
  readonly holder: string;
  /** Takes it and gives where to go on; null: another process has it. */
  take(): Promise<Position | null>;
  /** Aborts when the lease that was taken last is not ours any more, or may not be. */
  lost(): AbortSignal;
  /** Moves the cursor. False: it is not ours to move, and the lease is lost. */
  move(db: Db | Tx, to: Position): Promise<boolean>;
  release(): Promise<void>;
}

interface LeaseOptions {
  db: Database;
  bell: Bell;
  log: Logger;
  consumer: string;
  ms: number;
}

export function makeLease(options: LeaseOptions): Lease {
  const { db, bell, log, consumer } = options;
  const holder = randomUUID();
  let lost = new AbortController();
  const lose = () => lost.abort();
  const unhear = bell.onMoved((moved) => moved === consumer && lose());

  return {
    holder,
    lost: () => lost.signal,
    async take() {
      lose();
      const mine = (lost = new AbortController());
      const position = await leaseCursor(db, { consumer, holder, lease: options.ms });
      if (position !== null) renewUntil(options, holder, mine);
      return position;
    },
    async move(tx, to) {
      const moved = await moveCursor(tx, { consumer, holder, to });
      if (!moved) lose();
      return moved;
    },
    async release() {
      unhear();
      lose();
      await releaseCursor(db, consumer, holder).catch((error: unknown) =>
        log.debug({ err: error, consumer }, 'a lease was not given back'),
      );
    },
  };
}

/** Renews a lease until it is aborted; aborts it when another process has it, or may have. */
function renewUntil({ db, log, consumer, ms }: LeaseOptions, holder: string, lost: AbortController): void {
  let renewed = performance.now();
  const renew = async () => {
    const asked = performance.now();
    try {
      if ((await leaseCursor(db, { consumer, holder, lease: ms })) === null) lost.abort();
      renewed = asked;
    } catch (error) {
      log.debug({ err: error, consumer }, 'a lease was not renewed');
      if (performance.now() - renewed > ms) lost.abort();
    }
  };
  const timer = setInterval(() => void renew(), ms / 3);
  lost.signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}
