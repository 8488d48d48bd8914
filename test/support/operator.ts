// The operator of a world: edits rows by SQL that knows only Flower's columns, and the model's rows as the contract says.
import type { Pool, PoolClient } from 'pg';
import { ExecStatus } from '../../src/dag/vocabulary.ts';
import { inTransaction } from './hands.ts';
import { blank, type Books, type ModelExecution } from './ledger.ts';
import type { TaskState } from './model.ts';
import type { Edit } from './moves.ts';

/** Makes all edits in one transaction, each a statement of its own. */
export async function editByHand(
  { pool }: { pool: Pool },
  executions: ModelExecution[],
  edits: Edit[],
): Promise<void> {
  await inTransaction(pool, async (tx) => {
    for (const edit of edits) await editOne(tx, executions, edit);
  });
}

async function editOne(client: PoolClient, executions: ModelExecution[], edit: Edit): Promise<void> {
  const execution = executions[edit.pick % executions.length]!;
  if (edit.kind === 'insert') return insertRow(client, execution, edit);
  const seqs = [...execution.rows.keys()];
  const seq = seqs[edit.pick % seqs.length];
  if (seq === undefined) return;
  const row = execution.rows.get(seq)!;
  const where = 'where task_flow_id = $1 and task_exec_seq = $2';
  if (edit.kind === 'delete') {
    execution.rows.delete(seq);
    if (execution.rows.size === 0) Object.assign(execution, { place: null, paused: false, signals: [] });
    await client.query(`delete from kr_task_stat ${where}`, [execution.id, seq]);
  } else if (edit.kind === 'priority') {
    await client.query(`update kr_task_stat set task_priority = $3 ${where}`, [
      execution.id,
      seq,
      edit.priority,
    ]);
  } else if (edit.kind === 'hold') {
    row.hold = edit.hold;
    await client.query(`update kr_task_stat set hold = $3 ${where}`, [execution.id, seq, edit.hold]);
  } else {
    setRow(row, execution.books.get(seq)!, edit);
    const reason = edit.reason === undefined ? '' : `, reason = '${edit.reason}'`;
    const params = edit.params ? `, parameters = '{"edited": "yes"}'` : '';
    await client.query(`update kr_task_stat set exec_status = $3 ${reason} ${params} ${where}`, [
      execution.id,
      seq,
      edit.status,
    ]);
  }
}

/** What the contract says an operator's UPDATE does to a row. */
function setRow(row: TaskState, books: Books, edit: Extract<Edit, { kind: 'set' }>): void {
  const given = edit.reason !== undefined && edit.reason !== row.reason;
  if (edit.status === row.status) {
    if (given) Object.assign(row, { reason: edit.reason!, chosen: null });
    return;
  }
  const stopped = edit.status === ExecStatus.suspend || edit.status === ExecStatus.ignore;
  row.reason = given ? edit.reason! : stopped ? 'operator' : null;
  row.status = edit.status === ExecStatus.running ? ExecStatus.wait : edit.status;
  row.timed = false;
  row.chosen = null;
  delete row.wait;
  books.watcher = null;
  if (row.status === ExecStatus.wait) Object.assign(books, { lost: 0, retried: 0 });
}

async function insertRow(
  client: PoolClient,
  { id, plan, rows, books }: ModelExecution,
  edit: Extract<Edit, { kind: 'insert' }>,
): Promise<void> {
  const next = Math.max(0, ...plan.map(({ execSeq }) => execSeq)) + 1;
  const gone = plan.map(({ execSeq }) => execSeq).filter((seq) => !rows.has(seq));
  const seq = [...gone, next, next][edit.seq % (gone.length + 2)]!;
  const choices = [-1, ...plan.map(({ execSeq }) => execSeq), next, next + 1];
  const depends = choices[edit.depends % choices.length]!;
  plan.splice(0, plan.length, ...plan.filter(({ execSeq }) => execSeq !== seq), {
    execSeq: seq,
    depends: depends === -1 ? [] : [depends],
    edges: null,
    need: null,
  });
  const stopped = edit.status === ExecStatus.suspend || edit.status === ExecStatus.ignore;
  rows.set(seq, {
    status: edit.status === ExecStatus.running ? ExecStatus.wait : edit.status,
    reason: stopped ? 'operator' : null,
  });
  books.set(seq, blank());
  await client.query(
    `insert into kr_task_stat (task_flow_id, task_exec_seq, depends_task_exec_seq, task_id, task_seq, exec_status, parameters)
     values ($1, $2, $3, 'by hand', $2, $4, '{}')`,
    [id, seq, depends, edit.status],
  );
}
