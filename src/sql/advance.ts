// The hot call: settles what ended, releases, hands over, ends executions, claims. Called by the watcher's turns, several at a
// time under load.
import type { Pool, PoolClient } from 'pg';
import type { Delivered, TaskError } from '../dag/outcome.ts';
import type { Database } from './database.ts';
import { columns, type Ended } from './ended.ts';
import { writeSnapshots } from './snapshots.ts';

/** A task that this watcher now holds. */
export interface Claimed {
  flow: string;
  seq: string;
  taskId: string;
  taskSeq: string;
  priority: number;
  attempt: number;
  /** JSON text, as the row has it. */
  parameters: string;
  /** null: inserted by hand. */
  version: string | null;
  /** JSON text, or null: input comes from the predecessors. */
  input: string | null;
  /** Exec seqs of the predecessors. */
  depends: string[];
  /** Times it was tried again after a failure. */
  retried: number;
  /** JSON text that the last attempt left, or null. */
  checkpoint: string | null;
  /** What it waited for, in the attempts after that. */
  delivered: Delivered | null;
  /** Its keys could not be worked out: it fails of this instead of running. */
  refusal?: TaskError | undefined;
  /** Freed by a task that ended in the same call; otherwise it came from the claim index. */
  handedOver: boolean;
}

/** A place in claim order, as far as the execution. */
export interface Position {
  priority: number;
  flow: string;
}

export const HEAD: Position = { priority: -1000, flow: '' };

export interface AdvanceCall {
  watcher: number;
  pool: string;
  /** Tasks that can begin at once. */
  slots: number;
  /** Tasks to take in all; what exceeds `slots` is claimed ahead. */
  want: number;
  /** Beyond so many, only children are taken in. */
  most: number;
  /** Children of this priority, or a smaller one, may be handed over. */
  urgent: number;
  /** Where the claim begins in claim order; HEAD looks at all that is ready, and overrules `urgent` by what it sees. */
  from: Position;
  /** Number of this batch, never used twice by a watcher. */
  claim: number;
  /** Earlier batches all of whose tasks have ended. */
  closed: number[];
  ended: Ended[];
}

export interface AdvanceAnswer {
  claimed: Claimed[];
  /** Ended attempts that no longer counted: the row was edited, deleted, or given to another watcher. */
  late: { flow: string; seq: string }[];
  /** Flows with `max_running` in which a place became free. */
  freedPlaces: string[];
  /** After a look at the head: the most urgent priority that was ready; NOTHING_READY when nothing was. */
  mostUrgent?: number;
}

/** Less urgent than any task. */
export const NOTHING_READY = 1000;

const TEXT =
  'select * from umbel_advance_v1($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23)';
const asText = { getTypeParser: () => (value: string) => value };

const WATCHER_GONE = 'UM001';

export async function advance(db: Database, call: AdvanceCall): Promise<AdvanceAnswer> {
  if (call.ended.every(({ snapshot }) => snapshot === undefined)) return advanceOn(db.pool, call);
  return withClient(db, async (client) => {
    const answer = await advanceOn(client, call);
    const late = new Set(answer.late.map(({ flow, seq }) => `${seq} ${flow}`));
    const counted = call.ended.filter(({ flow, seq }) => !late.has(`${seq} ${flow}`));
    await writeSnapshots(
      client,
      counted.flatMap(({ snapshot }) => snapshot ?? []),
    );
    return answer;
  });
}

/** In one transaction, on a connection that is thrown away when it fails. */
async function withClient<T>(db: Database, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await db.pool.connect();
  let failure: Error | undefined;
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    failure = error as Error;
    throw error;
  } finally {
    client.release(failure);
  }
}

async function advanceOn(queryable: Pool | PoolClient, call: AdvanceCall): Promise<AdvanceAnswer> {
  const { rows } = await queryable.query<AdvanceRow>({
    name: 'umbel_advance_v1',
    text: TEXT,
    types: asText,
    values: [...settings(call), ...columns(call.ended)],
  });
  const answer: AdvanceAnswer = { claimed: [], late: [], freedPlaces: [] };
  for (const row of rows) addRow(answer, row);
  return answer;
}

export interface AdvanceRow {
  kind: '1' | '2' | '3' | '4' | '5';
  task_flow_id: string;
  task_exec_seq: string;
  task_id: string;
  task_seq: string;
  task_priority: string;
  attempt: string;
  parameters: string;
  version: string | null;
  input: string | null;
  depends: string;
  retried: string;
  checkpoint: string | null;
  delivered: string | null;
}

function addRow(answer: AdvanceAnswer, row: AdvanceRow): void {
  switch (row.kind) {
    case '1':
    case '2':
      answer.claimed.push(toClaimed(row));
      break;
    case '3':
      answer.late.push({ flow: row.task_flow_id, seq: row.task_exec_seq });
      break;
    case '4':
      answer.freedPlaces.push(row.task_id);
      break;
    case '5':
      answer.mostUrgent = Number(row.task_priority);
  }
}

export function toClaimed(row: AdvanceRow): Claimed {
  return {
    flow: row.task_flow_id,
    seq: row.task_exec_seq,
    taskId: row.task_id,
    taskSeq: row.task_seq,
    priority: Number(row.task_priority),
    attempt: Number(row.attempt),
    parameters: row.parameters,
    version: row.version,
    input: row.input,
    depends: row.depends.length > 2 ? row.depends.slice(1, -1).split(',') : [],
    retried: Number(row.retried),
    checkpoint: row.checkpoint,
    delivered: row.delivered === null ? null : (JSON.parse(row.delivered) as Delivered),
    handedOver: row.kind === '2',
  };
}

function settings(call: AdvanceCall): unknown[] {
  const { watcher, pool, slots, want, most, urgent, from, claim, closed } = call;
  return [watcher, pool, slots, want, most, urgent, from.priority, from.flow, claim, closed];
}

/** The call was made by a watcher that is not registered, or was declared dead. */
export function isWatcherGone(error: unknown): boolean {
  return (error as { code?: unknown }).code === WATCHER_GONE;
}
