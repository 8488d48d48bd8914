// The verbs of control in a world: carried out by the registrar on Postgres, and on the model's rows as the contract says.
import { satisfies } from '../../src/dag/satisfies.ts';
import { ExecStatus } from '../../src/dag/vocabulary.ts';
import { UmbelError } from '../../src/errors.ts';
import { makeControl } from '../../src/registrar/control.ts';
import type { Database } from '../../src/sql/database.ts';
import { type ModelExecution, statusOf } from './ledger.ts';
import type { Move } from './moves.ts';

type ControlMove = Extract<Move, { kind: 'control' }>;

/** Complains when the registrar refuses what the contract allows, or the other way round. */
export async function controlBoth(
  db: Database,
  executions: ModelExecution[],
  move: ControlMove,
): Promise<string[]> {
  const execution = executions[move.pick % executions.length]!;
  const seqs = [...execution.rows.keys()];
  const seq = seqs[move.task % Math.max(1, seqs.length)];
  if (seq === undefined) return [];
  const expected = controlModel(execution, seq, move);
  const { verb, downstream } = move;
  const request = { tenant: 'local', id: execution.id, step: `${seq}`, downstream };
  const control = makeControl(db);
  const refused = await control[verb](request).then(
    () => null,
    (error: unknown) => (error instanceof UmbelError ? error.code : Promise.reject(error)),
  );
  return refused === expected ? [] : [`${verb}: ${refused}, expected ${expected}`];
}

/** The code of the refusal, or null. */
function controlModel(execution: ModelExecution, seq: number, { verb, downstream }: ControlMove) {
  const status = statusOf(execution);
  switch (verb) {
    case 'pause':
      return pause(execution, status);
    case 'resume':
      return resume(execution, status);
    case 'abort':
      return abort(execution, status);
    case 'rerun':
      return rerun(execution, status, seq, downstream);
    case 'skip':
      return skip(execution, seq);
  }
}

const UNENDED: ExecStatus[] = [ExecStatus.wait, ExecStatus.running, ExecStatus.suspend];

function pause(execution: ModelExecution, status: string) {
  if (status === 'paused') return null;
  if (status !== 'open') return 'EXECUTION_ENDED';
  execution.paused = true;
  for (const row of execution.rows.values()) if (UNENDED.includes(row.status)) row.hold = true;
  return null;
}

function resume(execution: ModelExecution, status: string) {
  execution.paused = false;
  if (status === 'success') return null;
  for (const row of execution.rows.values()) row.hold = false;
  if (status === 'paused') return null;
  for (const [seq, { status: stands, reason }] of execution.rows) {
    const failed = stands === ExecStatus.suspend && reason === 'failed' && status === 'failed';
    const byHand = stands === ExecStatus.suspend && reason === 'operator';
    const aborted = stands === ExecStatus.ignore && reason === 'aborted' && status !== 'open';
    if (failed || byHand || aborted) change(execution, seq, ExecStatus.wait, null);
  }
  return null;
}

function abort(execution: ModelExecution, status: string) {
  if (status === 'aborted') return null;
  if (status === 'success') return 'EXECUTION_ENDED';
  execution.paused = false;
  for (const [seq, row] of execution.rows) {
    row.hold = false;
    if (UNENDED.includes(row.status)) change(execution, seq, ExecStatus.ignore, 'aborted');
  }
  return null;
}

function rerun(execution: ModelExecution, status: string, target: number, downstream: boolean) {
  const after = downstream ? listAfter(execution, target) : new Set<number>();
  for (const [seq, row] of execution.rows) {
    const kept = row.status === ExecStatus.wait || ['operator', 'not_selected'].includes(row.reason ?? '');
    const lifted =
      ['aborted', 'failed'].includes(status) && row.status === ExecStatus.ignore && row.reason === 'aborted';
    if (seq !== target && !lifted && !(after.has(seq) && !kept)) continue;
    row.hold = execution.paused;
    change(execution, seq, ExecStatus.wait, null);
  }
  return null;
}

function listAfter({ plan, rows }: ModelExecution, from: number): Set<number> {
  const found = new Set([from]);
  for (const seq of found)
    for (const { execSeq, depends } of plan)
      if (depends.includes(seq) && rows.has(execSeq)) found.add(execSeq);
  return found;
}

function skip(execution: ModelExecution, seq: number) {
  const row = execution.rows.get(seq)!;
  if (row.status === ExecStatus.finish) return 'TASK_FINISHED';
  if (satisfies(row.status, row.reason)) return null;
  row.hold = false;
  change(execution, seq, ExecStatus.ignore, 'operator');
  return null;
}

/** Like an operator's UPDATE: a changed status takes the row from its watcher, Wait forgets its losses. */
function change(
  { rows, books }: ModelExecution,
  seq: number,
  status: ExecStatus,
  reason: string | null,
): void {
  const row = rows.get(seq)!;
  const { status: before } = row;
  if (row.status !== status || row.reason !== reason) row.chosen = null;
  Object.assign(row, { status, reason, timed: false });
  delete row.wait;
  if (status === ExecStatus.wait) books.get(seq)!.retried = 0;
  if (before === status) return;
  books.get(seq)!.watcher = null;
  if (status === ExecStatus.wait) books.get(seq)!.lost = 0;
}
