// What a task gave, for whoever asks for one alone. Made in registrar.ts, used by http/.
import { satisfies } from '../dag/satisfies.ts';
import { ExecStatus, type Json } from '../dag/vocabulary.ts';
import { UmbelError } from '../errors.ts';
import type { readTaskResult, TaskResult } from '../sql/results.ts';
import { nameFailure } from './failure.ts';

export interface WhichTask {
  tenant: string;
  /** Of the execution. */
  id: string;
  step: string;
}

/**
 * The result; null of a step that ended without one, ignored or skipped.
 * Errors: `EXECUTION_NOT_FOUND`, `TASK_NOT_FOUND`, `NOT_FINISHED`, `TASK_FAILED`, `DATABASE_UNREACHABLE`.
 */
export type ReadResult = (which: WhichTask) => Promise<Json>;

type Read = (which: WhichTask) => ReturnType<typeof readTaskResult>;

export function makeReadResult(read: Read): ReadResult {
  return async (which) => {
    const found = await nameFailure(read(which));
    const { id: execution, step } = which;
    if (found === null) throw new UmbelError('EXECUTION_NOT_FOUND', { execution });
    if (found.task === null) throw new UmbelError('TASK_NOT_FOUND', { execution, step });
    return judge(found.task, execution, step);
  };
}

function judge({ execStatus, reason, result, error }: TaskResult, execution: string, step: string): Json {
  if (satisfies(execStatus, reason)) return result;
  if (execStatus === ExecStatus.suspend && reason === 'failed') {
    const { name = 'ProgramError', message = 'no message was kept' } = error ?? {};
    throw new UmbelError('TASK_FAILED', { execution, step, reason: `${name}: ${message}` });
  }
  throw new UmbelError('NOT_FINISHED', { execution, step, state: describeState(execStatus, reason) });
}

function describeState(status: ExecStatus, reason: string | null): string {
  if (status === ExecStatus.ignore) return `it was ${reason ?? 'ignored'}`;
  if (status === ExecStatus.running) return 'it runs';
  return status === ExecStatus.wait ? 'it waits' : `it is suspended (${reason ?? 'by hand'})`;
}
