// Begins held tasks up to the number of workers, and turns their outcomes into records for the next turn.
import type { Json } from '../dag/vocabulary.ts';
import type { Logger } from '../log.ts';
import type { ProgramLog } from '../programs/program.ts';
import type { Registry } from '../programs/registry.ts';
import type { Ended } from '../sql/advance.ts';
import type { Ahead } from './ahead.ts';
import { waitForCallback } from './callbacks.ts';
import { TAKEN_AWAY } from './cancel.ts';
import { type ChildDeps, startChild } from './children.ts';
import { begin, dequeue, disown, end, giveUp, letGo, type Holding, type Holdings } from './holdings.ts';
import type { RanOutcome } from './ran.ts';
import type { Attempt } from './run.ts';
import type { RunAttempt } from './run-attempt.ts';
import type { AttemptData } from './task-data.ts';
import { judgeAttempt, limitsOf, type Verdict } from './verdict.ts';
import { makeStop } from './stop.ts';
import type { Waker } from '../sql/waker.ts';

/** The value of a secret; undefined: there is none. */
export type FindSecret = (name: string) => string | undefined;

export interface BeginDeps extends ChildDeps {
  registry: Registry;
  holdings: Holdings;
  ahead: Ahead;
  waker: Waker;
  workers: number;
  log: Logger;
  /** `runAttempt`, or what wraps it. */
  run: RunAttempt;
  findSecret: FindSecret;
  /** Once true, nothing more begins. */
  isClosed: () => boolean;
}

/** Given as the reason to programs that outlast the grace time; such an attempt is handed back, not recorded. */
export const HANDED_BACK = Object.assign(new Error('the watcher is shutting down'), {
  name: 'CancelledError',
});

/** Given to programs whose tasks are another watcher's now, since this one was declared dead. */
export const DISOWNED = Object.assign(new Error('the lease of this watcher ran out'), {
  name: 'CancelledError',
});

/** Returns the function that begins whatever may begin now. */
export function makeBegin(deps: BeginDeps): () => void {
  const { holdings, workers } = deps;
  const beginNext = () => {
    while (!deps.isClosed() && holdings.running.size < workers) {
      const holding = dequeue(holdings);
      if (!holding) return;
      beginTask(deps, holding, beginNext);
    }
  };
  return beginNext;
}

function beginTask(deps: BeginDeps, holding: Holding, beginNext: () => void): void {
  const stop = makeStop();
  begin(deps.holdings, holding, stop, performance.now());
  void deps
    .run(deps.registry, attemptOf(holding, deps), limitsOf(holding.prepared?.options ?? null), stop)
    .then((outcome) =>
      outcome.kind === 'start'
        ? startChild(deps, holding, outcome).then((started) => settle(deps, holding, started))
        : settle(deps, holding, outcome),
    )
    .then(beginNext)
    .then(() => deps.waker.wake());
}

function settle(deps: BeginDeps, holding: Holding, outcome: RanOutcome): void {
  const age = performance.now() - holding.began!;
  deps.ahead.learn(age);
  const stopped = holding.stop?.error;
  if (stopped === HANDED_BACK) return giveUp(deps.holdings, holding);
  if (stopped === DISOWNED) return disown(deps.holdings, holding);
  if (stopped === TAKEN_AWAY) return letGo(deps.holdings, holding);
  const verdict = judgeAttempt(
    waitForCallback(outcome, holding),
    holding.task,
    holding.prepared?.options ?? null,
    deps.registry.get(holding.prepared?.program ?? ''),
  );
  if ('error' in verdict) logFailure(deps.log, holding, verdict);
  end(deps.holdings, holding, recordOf(holding, verdict, age));
}

function attemptOf(holding: Holding, { log, findSecret }: BeginDeps): Attempt {
  const { task, prepared } = holding;
  const { program, step, input, callback } = prepared!;
  return {
    program,
    parameters: task.parameters,
    input,
    checkpoint: task.checkpoint === null ? null : (JSON.parse(task.checkpoint) as Json),
    delivered: task.delivered,
    callback,
    attempt: task.attempt,
    idempotencyKey: `${task.flow}:${task.seq}`,
    execution: { id: task.flow, flow: task.taskId },
    step: { id: step, seq: task.taskSeq },
    log: makeTaskLog(log, task.flow, task.seq),
    data: dataOf(holding, findSecret),
  };
}

function dataOf({ task, prepared }: Holding, findSecret: FindSecret): AttemptData | undefined {
  const { data, scope } = prepared!;
  if (data === null || scope === undefined) return undefined;
  return { step: data, scope, findSecret, first: isFirst(task) };
}

/** Otherwise it goes on after a failure or a wait. */
function isFirst({ retried, checkpoint, delivered }: Holding['task']): boolean {
  return retried === 0 && checkpoint === null && delivered === null;
}

function makeTaskLog(log: Logger, execution: string, seq: string): ProgramLog {
  const at = { execution, seq };
  return {
    debug: (message, fields) => log.debug({ ...fields, ...at }, message),
    info: (message, fields) => log.info({ ...fields, ...at }, message),
    warn: (message, fields) => log.warn({ ...fields, ...at }, message),
    error: (message, fields) => log.error({ ...fields, ...at }, message),
  };
}

const NOTHING = {
  reason: null,
  result: null,
  error: null,
  delay: null,
  checkpoint: null,
  wait: null,
  chosen: null,
};

/** What the database records of a verdict. */
function recordOf({ task, prepared }: Holding, verdict: Verdict, age: number): Ended {
  const { flow, seq, attempt } = task;
  const of = { flow, seq, attempt, age, ...NOTHING, wireOn: prepared?.wireOn ?? 0 };
  switch (verdict.kind) {
    case 'finished':
      return { ...of, status: 'finished', result: verdict.text };
    case 'skipped':
      return { ...of, status: 'ignored', reason: 'skipped' };
    case 'failed':
      return { ...of, status: 'failed', reason: 'failed', error: JSON.stringify(verdict.error) };
    case 'ignored':
      return { ...of, status: 'ignored', reason: 'allowed_failure', error: JSON.stringify(verdict.error) };
    case 'retry':
      return {
        ...of,
        status: 'waiting',
        reason: 'retry',
        delay: verdict.delay,
        error: JSON.stringify(verdict.error),
      };
    case 'sleep':
      return {
        ...of,
        status: 'waiting',
        reason: 'sleep',
        delay: verdict.delay,
        checkpoint: JSON.stringify(verdict.checkpoint),
      };
    case 'wait':
      return {
        ...of,
        status: 'outside',
        reason: verdict.wait.kind,
        delay: verdict.timeout,
        checkpoint: JSON.stringify(verdict.checkpoint),
        wait: verdict.wait,
      };
  }
}

const SAYS = {
  failed: 'task suspended',
  ignored: 'task failed, which its step allows',
  retry: 'task failed and is tried again',
};

function logFailure(
  log: Logger,
  { task, prepared }: Holding,
  verdict: Extract<Verdict, { kind: keyof typeof SAYS }>,
): void {
  const { flow, seq, taskId, attempt } = task;
  const { name, message } = verdict.error;
  log.warn(
    { execution: flow, seq, flow: taskId, program: prepared?.program, attempt, error: name },
    `${SAYS[verdict.kind]}: ${message}`,
  );
}
