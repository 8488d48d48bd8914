// What a person does to an execution that is there: pause, resume, abort, rerun, skip. Who may is http/'s business, how it is done is
// sql/'s; here is when a verb applies. Used by http/ and cmd/.
import type { Json, JsonObject } from '../dag/vocabulary.ts';
import { UmbelError } from '../errors.ts';
import { satisfies } from '../dag/satisfies.ts';
import type { ExecStatus } from '../dag/vocabulary.ts';
import {
  type FlowStatus,
  findTasks,
  type FoundTask,
  type HeldExecution,
  lockExecutions,
  lockFamilies,
  releaseTasks,
  rerunTasks,
  setFlowStatus,
  skipTasks,
  withTransaction,
} from '../sql/control.ts';
import type { Database, Tx } from '../sql/database.ts';
import { readStatus } from '../sql/executions.ts';
import { nameFailure } from './failure.ts';
import { deliverInput, type Signal, signalExecution } from './signals.ts';

export interface Which {
  tenant: string;
  id: string;
}

export interface WhichTask extends Which {
  /** The id of a step, or the exec seq of a task. */
  step: string;
}

export interface Rerun extends WhichTask {
  /** Replaces parameters of the task, by key. */
  params?: JsonObject | undefined;
  /** Do everything again that comes after it. */
  downstream?: boolean | undefined;
}

export interface Resume extends Which {
  /** For the one task that waits for a signal. */
  input?: Json | undefined;
  /** Who gives the input. */
  by?: string | undefined;
}

/** How the execution stands afterwards. */
export interface Controlled {
  id: string;
  status: string;
}

/** All errors: `EXECUTION_NOT_FOUND`, `TASK_NOT_FOUND`, `DATABASE_UNREACHABLE`, and what each says. */
export interface Control {
  /** No task of it begins any more; running ones end. Errors: `EXECUTION_ENDED`. */
  pause: (which: Which) => Promise<Controlled>;
  /**
   * A paused one goes on; a failed one retries what failed; an aborted one does what was left; a waiting one gets the input, if there is
   * one. Otherwise nothing happens. Errors: `CONFLICT` when it is not plain which task the input is for, `EXECUTION_ENDED`.
   */
  resume: (which: Resume) => Promise<Controlled>;
  /** Kept until a task waits for it. Errors: `EXECUTION_ENDED`. */
  signal: (signal: Signal) => Promise<Controlled>;
  /** Stops what runs, in it and in the executions that it started, and lets nothing begin. Errors: `EXECUTION_ENDED` after a success. */
  abort: (which: Which) => Promise<Controlled>;
  /** Runs a task again, whatever became of it. */
  rerun: (task: Rerun) => Promise<Controlled>;
  /** Does without a task: what comes after it goes on. Errors: `TASK_FINISHED`. */
  skip: (task: WhichTask) => Promise<Controlled>;
}

export function makeControl(db: Database): Control {
  return {
    pause: (which) => control(db, which, pauseExecution),
    resume: (which) => control(db, which, resumeExecution),
    signal: (signal) => control(db, signal, signalExecution),
    abort: (which) => control(db, which, abortExecution),
    rerun: (task) => control(db, task, rerunTask),
    skip: (task) => control(db, task, skipTask),
  };
}

/** Carries a verb out in one transaction, and reads what came of it. */
async function control<W extends Which>(
  db: Database,
  which: W,
  verb: (tx: Tx, which: W) => Promise<void>,
): Promise<Controlled> {
  await nameFailure(withTransaction(db, (tx) => verb(tx, which)));
  const status = await nameFailure(readStatus(db.kysely, which));
  if (status === null) throw new UmbelError('EXECUTION_NOT_FOUND', { execution: which.id });
  return { id: which.id, status };
}

async function pauseExecution(tx: Tx, { tenant, id }: Which): Promise<void> {
  const status = expectFound(id, await lockExecutions(tx, tenant, [id]));
  if (status === 'paused') return;
  if (status !== 'open') throw new UmbelError('EXECUTION_ENDED', { execution: id, status, verb: 'paused' });
  await setFlowStatus(tx, [id], 'paused');
}

async function resumeExecution(tx: Tx, { tenant, id, input, by }: Resume): Promise<void> {
  const status = expectFound(id, await lockExecutions(tx, tenant, [id]));
  if (input !== undefined) await deliverInput(tx, { tenant, id, value: input, by });
  if (status === 'open') await releaseTasks(tx, [id]);
  else if (RESUMABLE.has(status)) await setFlowStatus(tx, [id], 'open');
}

const RESUMABLE: ReadonlySet<FlowStatus> = new Set(['paused', 'failed', 'aborted']);

async function abortExecution(tx: Tx, { tenant, id }: Which): Promise<void> {
  const status = expectFound(id, await lockFamilies(tx, tenant, [id]));
  if (status === 'aborted') return;
  if (!ABORTABLE.has(status))
    throw new UmbelError('EXECUTION_ENDED', { execution: id, status, verb: 'aborted' });
  await setFlowStatus(tx, [id], 'aborted');
}

/** One that failed keeps its place of `max_running` until somebody decides. */
const ABORTABLE: ReadonlySet<FlowStatus> = new Set(['open', 'paused', 'failed']);

async function rerunTask(tx: Tx, { tenant, id, step, params, downstream = false }: Rerun): Promise<void> {
  expectFound(id, await lockExecutions(tx, tenant, [id]));
  const tasks = await findTasks(tx, [id], step);
  expectTask(id, step, tasks);
  await rerunTasks(tx, tasks, { params: params ?? null, downstream });
}

async function skipTask(tx: Tx, { tenant, id, step }: WhichTask): Promise<void> {
  expectFound(id, await lockExecutions(tx, tenant, [id]));
  const tasks = await findTasks(tx, [id], step);
  const { execStatus, reason } = expectTask(id, step, tasks);
  if (execStatus === 3) throw new UmbelError('TASK_FINISHED', { execution: id, step });
  if (!satisfies(execStatus as ExecStatus, reason)) await skipTasks(tx, tasks);
}

function expectFound(id: string, [execution]: HeldExecution[]): FlowStatus {
  if (execution === undefined) throw new UmbelError('EXECUTION_NOT_FOUND', { execution: id });
  return execution.status;
}

function expectTask(id: string, step: string, [task]: FoundTask[]): FoundTask {
  if (task === undefined) throw new UmbelError('TASK_NOT_FOUND', { execution: id, step });
  return task;
}
