// Signals to executions, and what tasks wait for. Called by registrar/signals.ts.
import { sql } from 'kysely';
import type { Json } from '../dag/vocabulary.ts';
import type { Db } from './database.ts';

export interface SignalToSend {
  tenant: string;
  execution: string;
  name: string;
  value: Json;
  /** Who sends it. */
  by: string | null;
  comment: string | null;
}

/** How the execution stood, of which only an unfinished one takes the signal; null when the tenant has none with this id. */
export async function sendSignal(db: Db, signal: SignalToSend): Promise<string | null> {
  const { tenant, execution, name, value, by, comment } = signal;
  const { rows } = await sql<{ status: string | null }>`
    select umbel_signal_v1(${tenant}, ${execution}, ${name}, ${JSON.stringify(value)}::jsonb, ${by}, ${comment}) status`.execute(
    db,
  );
  return rows[0]!.status;
}

/** Names of the signals that tasks of the execution wait for now, each once. */
export async function readAwaitedSignals(db: Db, execution: string): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select distinct w.name from kr_wait w
    join kr_task_stat t on t.task_flow_id = w.task_flow_id and t.task_exec_seq = w.task_exec_seq
    where w.task_flow_id = ${execution} and w.kind = 'signal' and t.exec_status = 2 and t.reason = 'signal' order by w.name`.execute(
    db,
  );
  return rows.map(({ name }) => name);
}
