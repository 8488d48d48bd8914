// Why a task does not run, in words for whoever waits for it. Called by executions.ts.
import { ExecStatus } from '../dag/vocabulary.ts';
import type { TaskRow } from '../sql/executions.ts';

/** null for a task that runs or has finished. `stepNames`: the names of all tasks by exec seq. */
export function explainTask(
  task: TaskRow,
  queued: boolean,
  stepNames: ReadonlyMap<string, string>,
): string | null {
  switch (task.execStatus) {
    case ExecStatus.running:
    case ExecStatus.finish:
      return null;
    case ExecStatus.ignore:
      return explainIgnored(task.reason);
    case ExecStatus.suspend:
      return explainSuspended(task);
    case ExecStatus.wait:
      return explainWaiting(task, queued, stepNames);
    default:
      return `exec_status ${String(task.execStatus)} is not one that is known`;
  }
}

function explainIgnored(reason: string | null): string {
  if (reason === 'skipped') return 'every step that it comes after was skipped';
  if (reason === 'operator') return 'set to 9 by hand';
  return `ignored: ${reason ?? 'no reason given'}`;
}

function explainSuspended({ reason, error }: TaskRow): string {
  if (reason === 'failed') return `failed: ${messageOf(error)}`;
  if (reason === 'operator') return 'suspended by hand: set exec_status to 0 to run it';
  return `waits for ${reason ?? 'an operator: set exec_status to 0 to run it'}`;
}

function explainWaiting(task: TaskRow, queued: boolean, stepNames: ReadonlyMap<string, string>): string {
  if (task.hold) return 'paused';
  if (task.waitsFor.length > 0) {
    return `waits for ${task.waitsFor.map((seq) => stepNames.get(seq) ?? seq).join(', ')}`;
  }
  if (queued) return 'waits for another execution of its flow to end (max_running)';
  if (!task.served) return `no live watcher serves the pool "${task.pool}"`;
  return task.ready ? 'waits for a free worker' : 'is about to become ready';
}

function messageOf(error: TaskRow['error']): string {
  const message =
    typeof error === 'object' && error !== null && !Array.isArray(error) ? error['message'] : error;
  return typeof message === 'string' ? message : 'no message was kept';
}
