// Signals in a world: sent to Postgres, and given to the model's rows as the contract says: each once, in order, kept when early.
import { ExecStatus } from '../../src/dag/vocabulary.ts';
import type { Ended } from '../../src/sql/ended.ts';
import type { Database } from '../../src/sql/database.ts';
import { sendSignal } from '../../src/sql/signals.ts';
import { type ModelExecution, rowOf, settleAll, statusOf } from './ledger.ts';
import type { TaskState } from './model.ts';
import type { Move } from './moves.ts';

interface Waiters {
  db: Database;
  executions: ModelExecution[];
}

/** Sends one; complains when it was taken though the execution had ended, or the other way round. */
export async function signalBoth(
  world: Waiters,
  { pick, name }: Extract<Move, { kind: 'signal' }>,
): Promise<string[]> {
  const execution = world.executions[pick % world.executions.length]!;
  const expected = execution.rows.size === 0 ? null : statusOf(execution);
  if (expected === 'open' || expected === 'paused') {
    execution.signals.push({ name, to: null });
    match(execution);
  }
  settleAll(world);
  const which = { tenant: 'local', execution: execution.id, name };
  const status = await sendSignal(world.db.kysely, { ...which, value: name, by: null, comment: null });
  return status === expected ? [] : [`signal: ${status}, expected ${expected}`];
}

let count = 0;

/** What has been settled to wait does, unless its signal is there already. */
export function beginWaits(world: Waiters, watcher: number, ended: Ended[]): void {
  count += 1;
  const begun = new Set<ModelExecution>();
  for (const { flow, seq, attempt, wait, delay } of ended) {
    const { row, books } = rowOf(world, flow, seq);
    if (!wait || !row || !stands(row) || books!.watcher !== watcher || books!.attempt !== attempt) continue;
    const timed = delay !== null || (row.wait?.timed ?? false);
    row.wait = { name: wait.name!, since: row.wait?.since ?? count, timed };
    begun.add(world.executions.find(({ id }) => id === flow)!);
  }
  for (const execution of begun) match(execution);
}

/** Every time is over. */
export function timeOutAll({ executions }: Waiters): void {
  for (const { rows } of executions)
    for (const row of rows.values())
      if (row.wait?.timed) {
        row.wait.timed = false;
        if (stands(row)) deliver(row);
      }
}

function match({ rows, signals }: ModelExecution): void {
  for (const signal of signals.filter(({ to }) => to === null)) {
    const waiting = [...rows].filter(([, row]) => stands(row) && row.wait?.name === signal.name);
    const [first] = waiting.toSorted(([a, one], [b, other]) => one.wait!.since - other.wait!.since || a - b);
    if (first === undefined) continue;
    signal.to = first[0];
    deliver(first[1]);
  }
}

const stands = ({ status, reason }: TaskState) => status === ExecStatus.suspend && reason === 'signal';

function deliver(row: TaskState): void {
  row.status = ExecStatus.wait;
  row.reason = null;
  delete row.wait;
}
