// An execution as text for a terminal. Used by `umbel executions show` and `umbel run --wait`.
import type { Execution, ExecutionTask } from '../src/registrar/executions.ts';

type Shown = Execution & { tasks: ExecutionTask[] };

export function formatExecution(execution: Shown): string {
  const { id, flow, status, registeredAt, finishedAt } = execution;
  const head = [
    `${id}  ${flow}  ${status}`,
    `registered ${registeredAt ?? '-'}  finished ${finishedAt ?? '-'}`,
  ];
  return [...head, ...execution.tasks.flatMap(formatTask), ''].join('\n');
}

function formatTask(task: ExecutionTask): string[] {
  const line = `  ${formatTaskLine(task)}`;
  const error = task.error as { name?: string; message?: string } | null;
  return [
    line,
    ...(error ? [`      ${error.name ?? 'Error'}: ${error.message ?? ''}`] : []),
    ...(task.why ? [`      ${task.why}`] : []),
  ];
}

const MARKS: Record<number, string> = { 0: '·', 1: '▸', 2: '✗', 3: '✓', 9: '-' };

/** `✓ 2 EchoParamTimeSleep  Finish  3.0 s`. */
export function formatTaskLine({
  step,
  seq,
  program,
  execStatus,
  status,
  startedAt,
  finishedAt,
  suspendedAt,
}: ExecutionTask): string {
  const ended = finishedAt ?? suspendedAt;
  const took =
    startedAt !== null && ended !== null
      ? `  ${((Date.parse(ended) - Date.parse(startedAt)) / 1000).toFixed(1)} s`
      : '';
  return `${MARKS[execStatus] ?? '?'} ${step ?? seq} ${program ?? '(no program)'}  ${status}${took}`;
}
