// The tables as Kysely sees them: for reads and administration. Hot statements are written by hand beside this file.
import type { ColumnType, Generated } from 'kysely';
import type { Json, JsonObject } from '../dag/vocabulary.ts';

/** numeric and bigint columns arrive as text, exact; they take numbers as well. */
type Numeric = ColumnType<string, string | number, string | number>;
type Defaulted<T> = Generated<T>;
type Time = ColumnType<Date | null, Date | string | null, Date | string | null>;
type JsonColumn<T> = ColumnType<T, string, string>;

export interface TaskDefinitionTable {
  task_id: string;
  task_seq: Numeric;
  program: string;
  task_priority: Defaulted<string>;
  param1_key: string | null;
  param1_value: string | null;
  param2_key: string | null;
  param2_value: string | null;
  param3_key: string | null;
  param3_value: string | null;
  param4_key: string | null;
  param4_value: string | null;
  param5_key: string | null;
  param5_value: string | null;
  step_id: string | null;
  depends_task_seq: string[] | null;
  after: string[] | null;
  before: string[] | null;
  params: JsonColumn<JsonObject | null>;
  pool: string | null;
  options: JsonColumn<JsonObject | null>;
}

export interface TaskStatTable {
  task_flow_id: string;
  task_exec_seq: Numeric;
  depends_task_exec_seq: Numeric;
  task_id: string;
  task_seq: Numeric;
  exec_status: Numeric;
  task_priority: Defaulted<string>;
  parameters: JsonColumn<Json>;
  registered_ts: Time;
  started_ts: Time;
  finished_ts: Time;
  suspended_ts: Time;
  version: string | null;
  pool: Defaulted<string>;
  depends: string[] | null;
  releases: string[] | null;
  waiting_on: number | null;
  live: number | null;
  unwired: Defaulted<boolean>;
  ready: Defaulted<boolean>;
  hold: Defaulted<boolean>;
  reason: string | null;
  watcher_id: number | null;
  attempt: Defaulted<number>;
  lost: Defaulted<number>;
  retried: Defaulted<number>;
  revision: Defaulted<number>;
  input: JsonColumn<Json>;
  result: JsonColumn<Json>;
  error: JsonColumn<JsonObject | null>;
  checkpoint: JsonColumn<Json>;
  delivered: JsonColumn<Json>;
}

export interface FlowTable {
  task_id: string;
  tenant: Defaulted<string>;
  name: string | null;
  description: string | null;
  max_running: number | null;
  settings: JsonColumn<JsonObject | null>;
  revision: Defaulted<string>;
  created_ts: Defaulted<Date>;
  updated_ts: Defaulted<Date>;
}

export interface FlowVersionTable {
  version: string;
  task_id: string;
  definition: JsonColumn<Json>;
  created_ts: Defaulted<Date>;
}

export interface PlanTable {
  version: string;
  task_exec_seq: Numeric;
  task_seq: Numeric;
  step: string;
  program: string;
  task_priority: Numeric;
  pool: string;
  parameters: JsonColumn<JsonObject>;
  depends: string[];
  releases: string[];
  waiting_on: number;
  live: number;
  options: JsonColumn<JsonObject | null>;
}

export interface FlowStatTable {
  task_flow_id: string;
  task_id: string;
  tenant: Defaulted<string>;
  version: string | null;
  flow_status: Defaulted<string>;
  active: Defaulted<number>;
  irregular: Defaulted<boolean>;
  place: number | null;
  trigger: JsonColumn<Json>;
  input: JsonColumn<Json>;
  output: JsonColumn<Json>;
  error: JsonColumn<JsonObject | null>;
  reply: JsonColumn<JsonObject | null>;
  parent_flow_id: string | null;
  parent_exec_seq: string | null;
  idempotency_key: string | null;
  deadline_ts: Time;
  registered_ts: Defaulted<Date>;
  finished_ts: Time;
}

export interface WatcherTable {
  watcher_id: Generated<number>;
  name: string;
  pool: string;
  workers: number;
  programs: Defaulted<string[]>;
  release: string;
  started_ts: Defaulted<Date>;
  lease_until: ColumnType<Date, Date | string, Date | string>;
}

export interface ClaimTable {
  watcher_id: number;
  claim_no: string;
  part: number;
  flows: string[];
  seqs: string[];
}

/** Which migrations ran; kept by node-pg-migrate. */
export interface MigrationTable {
  id: number;
  name: string;
  run_on: Date;
}

export interface TimerTable {
  task_flow_id: string;
  task_exec_seq: Numeric;
  kind: 'retry' | 'sleep' | 'wait' | 'beat' | 'deadline';
  due_ts: ColumnType<Date, Date | string, Date | string>;
}

/** What a task at Suspend waits for outside. */
export interface WaitTable {
  task_flow_id: string;
  task_exec_seq: Numeric;
  kind: 'signal' | 'callback' | 'sub_execution';
  token: Defaulted<string>;
  name: string | null;
  fallback: JsonColumn<JsonObject | null>;
  early: JsonColumn<JsonObject | null>;
  beat: number | null;
  since_ts: Defaulted<Date>;
}

/** When a task must have ended, however many attempts it makes. */
export interface LimitTable {
  task_flow_id: string;
  task_exec_seq: Numeric;
  until_ts: ColumnType<Date, Date | string, Date | string>;
}

/** A flow to start because an execution failed. */
export interface StartTable {
  task_flow_id: string;
  tenant: string;
  task_id: string;
  input: JsonColumn<Json>;
  start_id: Defaulted<string>;
}

export interface SignalTable {
  signal_id: Generated<string>;
  task_flow_id: string;
  name: string;
  value: JsonColumn<Json>;
  sender: string | null;
  comment: string | null;
  sent_ts: Defaulted<Date>;
  task_exec_seq: string | null;
  delivered_ts: Time;
}

export interface Tables {
  umbel_migrations: MigrationTable;
  ms_task_definition: TaskDefinitionTable;
  ms_flow: FlowTable;
  ms_flow_version: FlowVersionTable;
  ms_plan: PlanTable;
  kr_task_stat: TaskStatTable;
  kr_flow_stat: FlowStatTable;
  kr_watcher: WatcherTable;
  kr_claim: ClaimTable;
  kr_timer: TimerTable;
  kr_wait: WaitTable;
  kr_signal: SignalTable;
  kr_limit: LimitTable;
  kr_start: StartTable;
}
