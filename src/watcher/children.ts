// Executions that tasks start: reserved before they are registered, so that a crash in between starts no second one, and looked up when
// they have ended. Called by begin.ts and prepare.ts.
import { setTimeout as delay } from 'node:timers/promises';
import { v7 as makeId } from 'uuid';
import type { Delivered, TaskError } from '../dag/outcome.ts';
import type { Json } from '../dag/vocabulary.ts';
import { isUmbelError } from '../errors.ts';
import type { Claimed } from '../sql/advance.ts';
import { reserveChild } from '../sql/children.ts';
import type { Database } from '../sql/database.ts';
import { type ExecutionEnd, readEnds } from '../sql/ends.ts';
import { isUnreachable } from '../sql/failures.ts';
import type { Holding } from './holdings.ts';
import type { RanOutcome, StartOutcome } from './ran.ts';
import { describeError } from './task-error.ts';

/** Registers an execution, once for an id. */
export type StartExecution = (request: {
  id: string;
  flow: string;
  tenant: string;
  input: Json;
  parent?: { id: string; seq: string };
  idempotencyKey: string;
  trigger: Json;
}) => Promise<{ id: string }>;

export interface ChildDeps {
  db: Database;
  startExecution: StartExecution | undefined;
}

/** Executions that start one another may stand so deep: a flow that starts itself ends there. */
const DEEPEST = 32;
const LONGEST_PAUSE = 2_000;

/** Starts what the program asked for; its task waits for the end, or has the id for a result. */
export async function startChild(
  deps: ChildDeps,
  holding: Holding,
  { flow, input, wait }: StartOutcome,
): Promise<RanOutcome> {
  for (let pause = 100; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
    try {
      const id = await start(deps, holding, flow, input);
      if (typeof id !== 'string') return { kind: 'failed', error: id, retryable: false };
      if (!wait) return { kind: 'finished', result: { id }, text: JSON.stringify({ id }) };
      return {
        kind: 'wait',
        wait: { kind: 'sub_execution', token: id },
        timeout: null,
        checkpoint: null,
      };
    } catch (thrown) {
      if (holding.stop?.error || !isPassing(thrown)) return fail(thrown);
      await delay(pause * (0.5 + Math.random() * 0.5));
    }
  }
}

async function start(
  { db, startExecution }: ChildDeps,
  { task, prepared }: Holding,
  flow: string,
  input: Json,
): Promise<string | TaskError> {
  if (startExecution === undefined) return refuse('this watcher cannot start executions');
  const reserved = await reserveChild(db, task, makeId());
  if (reserved === null) return refuse('the task was taken away before it could start an execution');
  if (reserved.depth > DEEPEST)
    return refuse(`executions start one another ${DEEPEST} deep here: a flow probably starts itself`);
  await startExecution({
    id: reserved.id,
    flow,
    tenant: reserved.tenant,
    input,
    parent: { id: task.flow, seq: task.seq },
    idempotencyKey: `child:${reserved.id}`,
    trigger: { kind: 'flow', execution: task.flow, flow: task.taskId, step: prepared!.step },
  });
  return reserved.id;
}

const refuse = (message: string): TaskError => ({ name: 'StartError', message });

/** The database is away, or too much goes on at once. */
export function isPassing(thrown: unknown): boolean {
  return (
    isUnreachable(thrown) ||
    isUmbelError(thrown, 'DATABASE_UNREACHABLE') ||
    isUmbelError(thrown, 'QUEUE_FULL') ||
    isUmbelError(thrown, 'DEFINITION_CHANGING')
  );
}

function fail(thrown: unknown): RanOutcome {
  const { stack: _, ...error } = describeError(thrown);
  if (!isUmbelError(thrown)) return { kind: 'failed', error, retryable: true };
  const message = isUmbelError(thrown, 'FLOW_NOT_FOUND')
    ? `there is no flow "${thrown.details.flow}"`
    : thrown.message;
  return {
    kind: 'failed',
    error: { name: 'StartError', message, details: { code: thrown.code } },
    retryable: true,
  };
}

/** Gives tasks whose executions have ended what came of them. */
export async function resolveChildren(db: Database, tasks: Claimed[]): Promise<void> {
  const waiting = tasks.filter(({ delivered }) => delivered?.execution !== undefined);
  if (waiting.length === 0) return;
  const ends = await readEnds(
    db,
    waiting.map(({ delivered }) => delivered!.execution!),
  );
  for (const [at, task] of waiting.entries())
    task.delivered = { ...task.delivered!, ...readEnd(ends[at] ?? null, task.delivered!.execution!) };
}

function readEnd(end: ExecutionEnd | null, id: string): Pick<Delivered, 'value' | 'error'> {
  if (end === null)
    return {
      error: { name: 'LostError', message: `the execution "${id}" that it started is not there any more` },
    };
  if (end.status === 'success') return { value: end.output };
  if (end.status === 'aborted')
    return {
      error: { name: 'CancelledError', message: `the execution "${id}" that it started was aborted` },
    };
  const error = end.error as TaskError | null;
  return {
    error: error ?? { name: 'ProgramError', message: `the execution "${id}" that it started failed` },
  };
}
