// What the database is told of an attempt that ended. Called by begin.ts.
import type { TaskError } from '../dag/outcome.ts';
import type { Ended } from '../sql/ended.ts';
import type { Holding } from './holdings.ts';
import type { Verdict } from './verdict.ts';

const NOTHING = {
  reason: null,
  result: null,
  error: null,
  delay: null,
  checkpoint: null,
  wait: null,
  chosen: null,
};

type Kept = Omit<Ended, 'flow' | 'seq' | 'attempt' | 'age' | 'wireOn'>;

/** `age` is in milliseconds since the program began. */
export function recordOf({ task, prepared, checkpoint }: Holding, verdict: Verdict, age: number): Ended {
  const { flow, seq, attempt } = task;
  return { flow, seq, attempt, age, wireOn: prepared?.wireOn ?? 0, ...keep(verdict, checkpoint ?? null) };
}

/** `checkpoint` is what the program left with its last sign of life. */
function keep(verdict: Verdict, checkpoint: string | null): Kept {
  switch (verdict.kind) {
    case 'finished':
      return { ...NOTHING, status: 'finished', result: verdict.text, chosen: verdict.chosen ?? null };
    case 'skipped':
      return { ...NOTHING, status: 'ignored', reason: 'skipped' };
    case 'failed':
      return { ...NOTHING, status: 'failed', reason: 'failed', error: write(verdict.error), checkpoint };
    case 'ignored':
      return { ...NOTHING, status: 'ignored', reason: 'allowed_failure', error: write(verdict.error) };
    case 'caught': {
      const { text: result, error, chosen } = verdict;
      return { ...NOTHING, status: 'ignored', reason: 'caught', result, error: write(error), chosen };
    }
    case 'retry':
    case 'sleep':
    case 'wait':
      return keepWaiting(verdict, checkpoint);
  }
}

function keepWaiting(
  verdict: Extract<Verdict, { kind: 'retry' | 'sleep' | 'wait' }>,
  left: string | null,
): Kept {
  switch (verdict.kind) {
    case 'retry': {
      const { delay, error } = verdict;
      return { ...NOTHING, status: 'waiting', reason: 'retry', delay, error: write(error), checkpoint: left };
    }
    case 'sleep': {
      const { delay, error } = verdict;
      const own = JSON.stringify(verdict.checkpoint);
      return { ...NOTHING, status: 'waiting', reason: 'sleep', delay, checkpoint: own, error: write(error) };
    }
    case 'wait': {
      const { wait, timeout: delay } = verdict;
      const own = JSON.stringify(verdict.checkpoint);
      return { ...NOTHING, status: 'outside', reason: wait.kind, delay, checkpoint: own, wait };
    }
  }
}

function write(error: TaskError | undefined): string | null {
  return error === undefined ? null : JSON.stringify(error);
}
