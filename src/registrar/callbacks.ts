// Answers of those who work for a task elsewhere, and know its token. Used by http/routes/callbacks.ts.
import type { TaskError } from '../dag/outcome.ts';
import type { Json } from '../dag/vocabulary.ts';
import { UmbelError } from '../errors.ts';
import { beat, callBack } from '../sql/callbacks.ts';
import { withTransaction } from '../sql/control.ts';
import type { Database } from '../sql/database.ts';
import { nameFailure } from './failure.ts';

/** Whether the task goes on now, or when its program has ended. */
export interface Taken {
  state: 'delivered' | 'kept';
}

/** Errors of all: `CALLBACK_NOT_FOUND`, `DATABASE_UNREACHABLE`. */
export interface Callbacks {
  /** The task's result. Errors: `CONFLICT` when it has been answered for, or has ended. */
  complete: (token: string, result: Json) => Promise<Taken>;
  /** The task's failure, as if its program had thrown it. Errors: `CONFLICT`. */
  fail: (token: string, error: TaskError) => Promise<Taken>;
  /** A sign of life, for steps that ask for one. */
  beat: (token: string) => Promise<void>;
}

export function makeCallbacks(db: Database): Callbacks {
  return {
    complete: (token, value) => answer(db, token, { value }),
    fail: (token, error) => answer(db, token, { error }),
    async beat(token) {
      if (!(await nameFailure(beat(db.kysely, token)))) throw new UmbelError('CALLBACK_NOT_FOUND', {});
    },
  };
}

async function answer(
  db: Database,
  token: string,
  content: { value: Json } | { error: TaskError },
): Promise<Taken> {
  const state = await nameFailure(withTransaction(db, (tx) => callBack(tx, token, content)));
  switch (state) {
    case 'delivered':
    case 'kept':
      return { state };
    case 'unknown':
      throw new UmbelError('CALLBACK_NOT_FOUND', {});
    case 'used':
      throw new UmbelError('CONFLICT', { reason: 'The task has been answered for already.' });
    case 'ended':
      throw new UmbelError('CONFLICT', { reason: 'The task has ended without its callback.' });
  }
}
