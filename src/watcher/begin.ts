// Begins held tasks up to the number of workers, and turns their outcomes into records for the next turn.
import type { Json } from '../dag/vocabulary.ts';
import type { Logger } from '../log.ts';
import type { ProgramLog } from '../programs/program.ts';
import type { Registry } from '../programs/registry.ts';
import type { Ahead } from './ahead.ts';
import { awaitsCallback, waitForCallback } from './callbacks.ts';
import { TAKEN_AWAY } from './cancel.ts';
import { type ChildDeps, startChild } from './children.ts';
import { keepCheckpoint } from './fallback.ts';
import { type Heartbeats, watchSilence } from './heartbeats.ts';
import { begin, dequeue, disown, end, giveUp, letGo, type Holding, type Holdings } from './holdings.ts';
import type { LogKeeper } from './log-keeper.ts';
import type { RanOutcome } from './ran.ts';
import type { Attempt } from './run.ts';
import type { RunAttempt } from './run-attempt.ts';
import { makeSnapshot, type ReadSnapshot } from './snapshot.ts';
import type { AttemptData } from './task-data.ts';
import { recordOf } from './record.ts';
import { judgeInTime, runInTime } from './times.ts';
import { judgeAttempt, type Verdict } from './verdict.ts';
import { makeStop, type Stop } from './stop.ts';
import type { Waker } from '../sql/waker.ts';
import { openTaskLog, type TaskLog } from './task-log.ts';

/** The value of a secret; undefined: there is none. */
export type FindSecret = (name: string) => string | undefined;

export interface BeginDeps extends ChildDeps {
  registry: Registry;
  holdings: Holdings;
  ahead: Ahead;
  waker: Waker;
  workers: number;
  log: Logger;
  /** Keeps what programs log. */
  logs: LogKeeper;
  /** `runAttempt`, or what wraps it. */
  run: RunAttempt;
  findSecret: FindSecret;
  readSnapshot: ReadSnapshot;
  heartbeats: Heartbeats;
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
  watchSilence(holding);
  const taskLog = openTaskLog(deps.logs, deps.log, holding.task);
  void runOrRefuse(deps, holding, taskLog, stop)
    .then((outcome) =>
      outcome.kind === 'start'
        ? startChild(deps, holding, outcome).then((started) => settle(deps, holding, started, taskLog))
        : settle(deps, holding, outcome, taskLog),
    )
    .then(beginNext)
    .then(() => deps.waker.wake());
}

/** Judges at once where it can: most tasks end without anything to wait for. */
function settle(
  deps: BeginDeps,
  holding: Holding,
  outcome: RanOutcome,
  taskLog: TaskLog,
): void | Promise<void> {
  taskLog.close();
  const age = performance.now() - holding.began!;
  clearTimeout(holding.silence);
  deps.ahead.learn(age);
  const { prepared, checkpoint } = holding;
  const task = checkpoint === undefined ? holding.task : { ...holding.task, checkpoint };
  const program = deps.registry.get(prepared?.program ?? '');
  const judge = (ended: RanOutcome) => judgeAttempt(ended, task, prepared, program);
  const verdict = judgeInTime(waitForCallback(outcome, holding), holding, judge);
  if (verdict instanceof Promise) return verdict.then((judged) => record(deps, holding, judged, age));
  return record(deps, holding, verdict, age);
}

function record(deps: BeginDeps, holding: Holding, verdict: Verdict, age: number): void {
  const stopped = holding.stop?.error;
  if (stopped === HANDED_BACK) return giveUp(deps.holdings, holding);
  if (stopped === DISOWNED) return disown(deps.holdings, holding);
  if (stopped === TAKEN_AWAY) return letGo(deps.holdings, holding);
  if ('error' in verdict && verdict.error !== undefined) logFailure(deps.log, holding, verdict);
  const record = recordOf(holding, verdict, age);
  const snapshot = ENDS_WELL.has(verdict.kind) ? holding.snapshot?.written() : null;
  end(deps.holdings, holding, snapshot ? { ...record, snapshot } : record);
}

/** What a failed attempt set is forgotten: the next one begins where it did. */
const ENDS_WELL: ReadonlySet<Verdict['kind']> = new Set(['finished', 'sleep', 'wait']);

/** What could not get its slots because its keys cannot be worked out fails of that. */
function runOrRefuse(
  deps: BeginDeps,
  holding: Holding,
  { log }: TaskLog,
  stop: Stop,
): ReturnType<RunAttempt> {
  const { refusal } = holding.task;
  if (refusal !== undefined) return Promise.resolve({ kind: 'failed', error: refusal, retryable: false });
  return runInTime(holding, deps.registry, (limits) =>
    deps.run(deps.registry, attemptOf(holding, deps, log), limits, stop),
  );
}

function attemptOf(
  holding: Holding,
  { findSecret, heartbeats, readSnapshot }: BeginDeps,
  log: ProgramLog,
): Attempt {
  const { task, prepared } = holding;
  const { program, step, input, callback, falling, parameters = task.parameters } = prepared!;
  const own = task.checkpoint === null ? null : (JSON.parse(task.checkpoint) as Json);
  const key = `${task.flow}:${task.seq}`;
  holding.snapshot = makeSnapshot(task.taskId, step, readSnapshot);
  return {
    program,
    snapshot: holding.snapshot,
    parameters,
    input,
    checkpoint: falling ? falling.checkpoint : own,
    delivered: task.delivered,
    beat: (checkpoint) => heartbeats.beat(holding, keepCheckpoint(falling, checkpoint)),
    callback,
    attempt: task.attempt,
    // To others the fallback is another request.
    idempotencyKey: falling ? `${key}:fallback` : key,
    execution: { id: task.flow, flow: task.taskId },
    step: { id: step, seq: task.taskSeq },
    log,
    data: dataOf(holding, findSecret),
  };
}

function dataOf({ task, prepared }: Holding, findSecret: FindSecret): AttemptData | undefined {
  const { data, scope, options, falling } = prepared!;
  if (data === null || scope === undefined) return undefined;
  const seen = falling ? { ...scope, error: falling.error as unknown as Json } : scope;
  // What the program returns counts for nothing when somebody calls back.
  const selects = !awaitsCallback(task, options);
  return { step: data, scope: seen, findSecret, first: isFirst(task), selects };
}

/** Otherwise it goes on after a failure or a wait. */
function isFirst({ retried, checkpoint, delivered }: Holding['task']): boolean {
  return retried === 0 && checkpoint === null && delivered === null;
}

const SAYS = {
  caught: 'task failed, which its step catches',
  sleep: 'task failed, and its fallback follows',
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
  const { name, message } = verdict.error!;
  log.warn(
    { execution: flow, seq, flow: taskId, program: prepared?.program, attempt, error: name },
    `${SAYS[verdict.kind]}: ${message}`,
  );
}
