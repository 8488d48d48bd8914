// Sends one call, whatever the database answers: a deadlock is tried again, a record that cannot be stored harms its own task only.
import { setTimeout as delay } from 'node:timers/promises';
import { advance, type AdvanceAnswer, type AdvanceCall } from '../sql/advance.ts';
import type { Ended } from '../sql/ended.ts';
import type { Database } from '../sql/database.ts';
import { isLockTimeout, isRetryable, isUnreachable } from '../sql/failures.ts';
import { mayBeOneValue } from '../sql/refusals.ts';

/** Advances; a deadlock is tried again, and a record that Postgres refuses fails its own task and harms no other. */
export async function advanceSafely(db: Database, call: AdvanceCall): Promise<AdvanceAnswer> {
  try {
    return await advanceWithRetry(db, call);
  } catch (error) {
    if (call.ended.length === 0 || !isOneValue(error)) throw error;
    return advanceApart(db, call, error as Error);
  }
}

/** Whether one record may be to blame. Anything else, a full disk or a lost connection, passes: no task fails of it. */
function isOneValue(error: unknown): boolean {
  return !isUnreachable(error) && mayBeOneValue(error);
}

async function advanceWithRetry(db: Database, call: AdvanceCall): Promise<AdvanceAnswer> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await advance(db, call);
    } catch (error) {
      if (!isRetryable(error) || isLockTimeout(error) || tries >= 10) throw error;
      await delay(Math.random() * 5 * tries);
    }
  }
}

/** Splits the batch until the record that cannot be stored stands alone; its task then fails with the reason. */
async function advanceApart(db: Database, call: AdvanceCall, error: Error): Promise<AdvanceAnswer> {
  if (call.ended.length === 1)
    return advanceWithRetry(db, { ...call, ended: [refused(call.ended[0]!, error)] });
  const middle = call.ended.length >> 1;
  const first = await advanceSafely(db, {
    ...call,
    slots: 0,
    want: 0,
    closed: [],
    ended: call.ended.slice(0, middle),
  });
  const second = await advanceSafely(db, { ...call, ended: call.ended.slice(middle) });
  return {
    ...second,
    late: [...first.late, ...second.late],
    freedPlaces: [...first.freedPlaces, ...second.freedPlaces],
  };
}

function refused(ended: Ended, error: Error): Ended {
  const message = `the database refused to store how the task ended: ${error.message}`;
  return {
    ...ended,
    snapshot: undefined,
    status: 'failed',
    reason: 'failed',
    delay: null,
    checkpoint: null,
    wait: null,
    result: null,
    error: JSON.stringify({ name: 'ResultError', message }),
  };
}
