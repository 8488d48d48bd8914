// Why a task does not run, in one sentence for whoever waits for it. Called by executions.ts.
import { ExecStatus } from '../dag/vocabulary.ts';
import type { ExecutionRow, TaskRow } from '../sql/executions.ts';
import { COUNTED, type Surroundings } from '../sql/why.ts';

/** What the tasks of one execution are judged by. */
export interface Circumstances extends Surroundings {
  execution: ExecutionRow;
  /** By exec seq. */
  tasks: ReadonlyMap<string, TaskRow>;
}

/** null for a task that runs or has finished. */
export function explainTask(task: TaskRow, circumstances: Circumstances): string | null {
  switch (task.execStatus) {
    case ExecStatus.running:
    case ExecStatus.finish:
      return null;
    case ExecStatus.ignore:
      return explainIgnored(task);
    case ExecStatus.suspend:
      return explainSuspended(task, circumstances);
    case ExecStatus.wait:
      return explainWaiting(task, circumstances);
    default:
      return `exec_status ${String(task.execStatus)} is not one that is known`;
  }
}

const IGNORED: Readonly<Record<string, string>> = {
  skipped: 'skipped: the steps that it comes after did not end as it takes, or were skipped',
  operator: 'set to 9 by hand',
  aborted: 'aborted',
  not_selected: 'not selected when the execution was started',
};

function explainIgnored({ reason, error, attempt }: TaskRow): string {
  // What is skipped because of others is never taken by a watcher.
  if (reason === 'skipped' && attempt > 0) return 'its condition (when) did not hold';
  const known = IGNORED[reason ?? 'operator'];
  if (known !== undefined) return known;
  if (error === null) return `ignored: ${reason}`;
  return `failed, and the flow goes on without it (${reason}): ${messageOf(error)}`;
}

function explainSuspended(task: TaskRow, circumstances: Circumstances): string {
  if (task.reason === 'failed') return `failed: ${messageOf(task.error)}`;
  const what = describeOutside(task, circumstances);
  if (what === null) return 'suspended by hand: set exec_status to 0 to run it';
  const timer = circumstances.timers.find(({ seq, kind }) => seq === task.seq && kind === 'wait');
  const held = circumstances.execution.status === 'paused' ? '; its execution is paused' : '';
  return `waits for ${what}${timer ? ` until ${timeOf(timer.due)}` : ''}${held}`;
}

/** null: it waits for nothing outside. */
function describeOutside({ seq, reason, program }: TaskRow, { outside }: Circumstances): string | null {
  const found = outside.find((wait) => wait.seq === seq && wait.kind === reason);
  switch (reason) {
    case 'signal':
      if (found === undefined) return 'a signal';
      return `${program === 'approval.wait' ? 'an approval, ' : ''}the signal "${found.name}"`;
    case 'callback':
      return 'its callback';
    case 'sub_execution':
      return `the execution ${found === undefined ? '' : `${found.token} `}that it started`;
    case null:
    default:
      return null;
  }
}

/** What would have to happen first comes first. */
function explainWaiting(task: TaskRow, circumstances: Circumstances): string {
  const { execution } = circumstances;
  if (execution.status === 'paused') return 'paused: its execution has to be resumed';
  if (task.hold) return 'held by hand: set hold to false to let it go on';
  if (task.waitsFor.length > 0 && task.waitingOn !== 0) return explainPredecessors(task, circumstances);
  if (execution.queued) return explainPlace(circumstances);
  const timer = circumstances.timers.find(({ seq, kind }) => seq === task.seq && kind !== 'wait');
  if (timer) return explainTimer(task, timer);
  const limit = circumstances.limits.find(({ seq }) => seq === task.seq);
  if (limit) return explainLimit(limit, circumstances.execution);
  if (!task.served) return `no live watcher serves the pool "${task.pool}"`;
  if (!task.known) return explainUnknown(task);
  return task.ready ? explainLine(task, circumstances) : 'is about to become ready';
}

function explainPredecessors(task: TaskRow, { tasks }: Circumstances): string {
  const { waitsFor, waitsForEnds, waitsForCount } = task;
  const names = waitsFor.map((seq, at) => describePredecessor(tasks.get(seq), seq, waitsForEnds[at]));
  const more = waitsForCount - names.length;
  return `waits for ${describeNeed(task)}${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** How many of those that are open are enough, when not all are needed. */
function describeNeed({ need, waitingOn, waitsForCount }: TaskRow): string {
  if (need === null || waitingOn === null || waitsForCount <= waitingOn) return '';
  return `${waitingOn === 1 ? 'one' : waitingOn} of `;
}

const ENDS: Readonly<Record<string, string>> = { failed: ' to fail', always: ' to end', goto: ' to fail' };

function describePredecessor(task: TaskRow | undefined, seq: string, end = 'succeeded'): string {
  return task === undefined ? seq : `${task.step ?? seq} (${stateOf(task)})${ENDS[end] ?? ''}`;
}

function stateOf({ execStatus, reason }: TaskRow): string {
  if (execStatus === ExecStatus.running) return 'running';
  if (execStatus === ExecStatus.wait) return 'waiting';
  return reason ?? 'suspended';
}

function explainPlace({ holders, execution }: Circumstances): string {
  const [first, second, third, more] = holders;
  if (first === undefined) return 'is about to get a place of its flow (max_running)';
  const names = [first, second, third].filter((id) => id !== undefined).join(', ');
  const others = more === undefined ? '' : ' and others';
  return `waits for a place of the flow "${execution.flow}" (max_running), held by ${names}${others}`;
}

function explainTimer({ error }: TaskRow, { kind, due }: Circumstances['timers'][number]): string {
  const at = timeOf(due);
  return kind === 'retry' ? `is tried again at ${at}: ${messageOf(error)}` : `sleeps until ${at}`;
}

const timeOf = (time: Date) => (time instanceof Date ? time.toISOString() : 'a time that never comes');

/** `tenant, kind:name, milliseconds of a rate`, see watcher/keys.ts. */
function explainLimit(
  { slot, limit, holders }: Circumstances['limits'][number],
  { id }: ExecutionRow,
): string {
  const [, kindAndName = '', per = ''] = slot.split('\u001f');
  const at = kindAndName.indexOf(':');
  const name = JSON.stringify(kindAndName.slice(at + 1));
  if (per !== '') return `waits for its rate: of ${name} at most ${limit} begin within ${per} ms`;
  const names = holders.slice(0, 3).map(({ flow, step }) => (flow === id ? step : `${flow} (${step})`));
  const held =
    names.length === 0 ? '' : `, held by ${names.join(', ')}${holders.length > 3 ? ' and others' : ''}`;
  if (kindAndName.startsWith('execution:'))
    return `waits until fewer than ${limit} tasks of its execution run (concurrency)${held}`;
  return `waits for a slot of ${name} (concurrency, at most ${limit} at once)${held}`;
}

function explainUnknown({ pool, program, taskId, taskSeq }: TaskRow): string {
  if (program === null)
    return `no row of ms_task_definition has task_id "${taskId}" and task_seq ${taskSeq}, so no program is known`;
  return `no live watcher of the pool "${pool}" knows the program "${program}"`;
}

function explainLine(task: TaskRow, { lines }: Circumstances): string {
  const line = lines.find(({ pool, priority }) => pool === task.pool && priority === task.priority);
  const ahead = (line?.ahead ?? 0) + (task.behind ?? 0);
  if (ahead === 0) return 'waits for a free worker';
  const count = ahead < COUNTED ? String(ahead) : `${COUNTED} or more`;
  return `waits for a free worker: ${count} ready ${ahead === 1 ? 'task comes' : 'tasks come'} first`;
}

function messageOf(error: TaskRow['error']): string {
  const message =
    typeof error === 'object' && error !== null && !Array.isArray(error) ? error['message'] : error;
  return typeof message === 'string' ? message : 'no message was kept';
}
