// A database for a process that dies: at its nth transaction, just before that commits or just after. For tests of what is left behind.
import type { Database } from '../../src/sql/database.ts';

export interface Crash {
  /** Counted from 1; none, when there are fewer. */
  at: number;
  when: 'before' | 'after';
}

class Crashed extends Error {}

export function isCrash(error: unknown): boolean {
  return error instanceof Crashed || (error instanceof Error && isCrash(error.cause));
}

/** Nothing that is asked of it after the crash is carried out. */
export function crashing(db: Database, { at, when }: Crash): Database {
  let transactions = 0;
  let dead = false;
  const crash = () => {
    dead = true;
    throw new Crashed('the process is gone');
  };
  const transaction = () => ({
    async execute<T>(work: (tx: never) => Promise<T>): Promise<T> {
      if (dead) crash();
      transactions += 1;
      const isLast = transactions === at;
      const result = await db.kysely.transaction().execute(async (tx) => {
        const done = await work(tx as never);
        if (isLast && when === 'before') crash();
        return done;
      });
      if (isLast) crash();
      return result;
    },
  });
  const kysely = new Proxy(db.kysely, {
    get: (target, key) => {
      if (key === 'transaction') return transaction;
      const value: unknown = Reflect.get(target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { ...db, kysely };
}
