// The words that the whole house shares: statuses, reasons, a step of a definition, a task of a plan.
// Everything here is plain data; the meaning of a graph lives in the files beside this one.
import type { EdgeKind } from './edges.ts';

/** A JSON value, as stored in `json` and `jsonb` columns. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** `kr_task_stat.exec_status`, Flower's five values. */
export const ExecStatus = { wait: 0, running: 1, suspend: 2, finish: 3, ignore: 9 } as const;
export type ExecStatus = (typeof ExecStatus)[keyof typeof ExecStatus];

/** Smaller is more urgent. The bounds are Flower's check constraint: -20 <= priority < 20. */
export const PRIORITY_MIN = -20;
export const PRIORITY_MAX = 19;

/** One row of `ms_task_definition`. Numeric columns come as their shortest exact text (`trim_scale`). */
export interface Step {
  /** `task_seq`; unique in the flow. */
  seq: string;
  /** `step_id`; null when the row has none, then the seq names the step. */
  id: string | null;
  program: string;
  priority: number;
  /** null: the default pool. */
  pool: string | null;
  params: JsonObject;
  /** What the step says of retries, timeouts and the like; null: nothing. */
  options: JsonObject | null;
  /** Predecessors by seq. null: the previous step in order of seq; []: a root. */
  dependsSeq: string[] | null;
  /** Predecessors by step id; given (even empty), it replaces `dependsSeq`. */
  after: string[] | null;
  /** Steps, by id, that wait for this one; adds to what they name themselves. */
  before: string[] | null;
}

/** What is wrong, and where: `steps[2].after[0]: no step is called "lode" (did you mean "load"?)`. */
export interface Problem {
  path: string;
  message: string;
}

/** One task of every execution of a plan: a step with its place in the graph worked out. */
export interface PlanTask {
  /** `task_exec_seq`, 1..n in order of `task_seq`. */
  execSeq: number;
  seq: string;
  /** The step's id, or its seq when it has none. */
  step: string;
  program: string;
  priority: number;
  pool: string;
  params: JsonObject;
  options: JsonObject | null;
  /** Exec seqs of the predecessors, ascending. */
  depends: number[];
  /** Which end of each of `depends` counts, in their order; null: all `succeeded`. */
  edges: EdgeKind[] | null;
  /** Arrivals that are enough; null: all. */
  need: number | null;
  /** Exec seqs of the dependants, ascending. */
  releases: number[];
  /** Whose ends are more than an arrival: 1 a failure, 2 any. */
  wireOn: 0 | 1 | 2;
  /** Arrivals still needed before the task may run. */
  waitingOn: number;
  /** How many predecessors may still fail to arrive before the task is skipped; at 0 it is. A root has 1. */
  live: number;
  /** False: executions of this plan leave it out. */
  selected?: boolean;
  /** It is claimed together with slots of the keys that its options name. */
  limited?: boolean;
}

export const DEFAULT_POOL = 'default';

/** What watchers of a pool are told of when a limited task is ready: one of its own, since most have none to look for. */
export function limitedLane(pool: string): string {
  return `limited ${pool}`;
}
