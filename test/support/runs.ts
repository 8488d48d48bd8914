// Flows, executions and watchers for tests of the SQL: defines and registers without a registrar, calls without a loop.
import { randomUUID } from 'node:crypto';
import type { Pool, PoolClient } from 'pg';
import { v7 } from 'uuid';
import { expand } from '../../src/dag/expand.ts';
import type { PlanTask, Step } from '../../src/dag/vocabulary.ts';
import {
  advance,
  type AdvanceAnswer,
  type AdvanceCall,
  type Claimed,
  HEAD,
  type Position,
} from '../../src/sql/advance.ts';
import type { Ended } from '../../src/sql/ended.ts';
import type { Database } from '../../src/sql/database.ts';
import { storePlan } from '../../src/sql/definitions.ts';
import { joinWatchers } from '../../src/sql/leases.ts';
import { type Registration, registerExecutions } from '../../src/sql/register.ts';

/** A flow whose plan is stored: what a registration needs to know. */
export interface PlannedFlow {
  flow: string;
  revision: string;
  version: string;
  plan: PlanTask[];
}

/** Stores the flow and its plan; the definition's own rows are left out, since registering reads only plans. */
export async function planFlow(
  db: Database,
  steps: readonly Step[],
  options: { flow?: string; maxRunning?: number; failFast?: boolean } = {},
): Promise<PlannedFlow> {
  const flow = options.flow ?? `flow-${randomUUID()}`;
  const { rows } = await db.pool.query<{ revision: string }>(
    `insert into ms_flow (task_id, max_running, settings) values ($1, $2, $3)
     on conflict (task_id) do update set max_running = $2, settings = $3 returning revision`,
    [flow, options.maxRunning ?? null, options.failFast ? { failFast: true } : null],
  );
  const version = randomUUID();
  const plan = expand(steps, { failFast: options.failFast ?? false });
  await storePlan(db, { version, flow, definition: {}, tasks: plan });
  return { flow, revision: rows[0]!.revision, version, plan };
}

/** A request to register the flow. */
export function requestOf(
  { flow, revision, version }: PlannedFlow,
  rest: Partial<Registration> = {},
): Registration {
  return { id: v7(), flow, revision, version, tenant: 'local', trigger: { kind: 'test' }, ...rest };
}

/** Registers `count` executions, oldest first, and returns their ids. */
export async function registerMany(
  db: Database,
  planned: PlannedFlow,
  count = 1,
  rest: Partial<Registration> = {},
): Promise<string[]> {
  const answers = await registerExecutions(
    db,
    Array.from({ length: count }, () => requestOf(planned, rest)),
  );
  return answers.map(({ id }) => id);
}

/** Registers one execution and returns its id. */
export async function registerOne(
  db: Database,
  planned: PlannedFlow,
  rest: Partial<Registration> = {},
): Promise<string> {
  return (await registerMany(db, planned, 1, rest))[0]!;
}

/** Before every task in claim order, and yet no look at the head. */
export const FURTHER_ON: Position = { priority: -20, flow: '!' };

export interface TestWatcher {
  id: number;
  /** One call, with settings that take everything from the head unless told otherwise; in the given transaction, or its own. */
  call: (rest?: Partial<AdvanceCall>, tx?: PoolClient) => Promise<AdvanceAnswer>;
}

/** Joins a watcher; each of its calls has a batch number of its own. */
export async function joinWatcher(db: Database, pool = 'default'): Promise<TestWatcher> {
  const id = await joinWatchers(db, {
    name: 'test',
    pool,
    workers: 10,
    programs: [],
    release: 'test',
    lease: 3_600_000,
  });
  let claim = 0;
  const call = (rest: Partial<AdvanceCall> = {}, tx?: PoolClient) =>
    advance(tx ? within(db, tx) : db, { ...everything(id, pool), claim: ++claim, ...rest });
  return { id, call };
}

/** The database as one open transaction sees it. */
function within(db: Database, tx: PoolClient): Database {
  return { ...db, pool: tx as unknown as Pool };
}

function everything(watcher: number, pool: string): AdvanceCall {
  return {
    watcher,
    pool,
    slots: 1_000,
    want: 1_000,
    most: 1_000,
    urgent: 19,
    from: HEAD,
    claim: 0,
    closed: [],
    ended: [],
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
  wireOn: 0,
};

/** The attempt ended well. */
export function finished({ flow, seq, attempt }: Claimed, result: string | null = null): Ended {
  return { ...NOTHING, flow, seq, attempt, status: 'finished', age: 5, result };
}

/** The attempt ended with an error. */
export function failed({ flow, seq, attempt }: Claimed): Ended {
  const error = JSON.stringify({ name: 'ProgramError', message: 'no luck' });
  return { ...NOTHING, flow, seq, attempt, status: 'failed', reason: 'failed', age: 5, error };
}

/** The attempt failed, and the task is to be tried again in an hour. */
export function toBeRetried({ flow, seq, attempt }: Claimed): Ended {
  const error = JSON.stringify({ name: 'ProgramError', message: 'no luck' });
  return {
    ...NOTHING,
    flow,
    seq,
    attempt,
    status: 'waiting',
    reason: 'retry',
    age: 5,
    error,
    delay: 3_600_000,
  };
}

/** The attempt ended to wait for a signal, an hour at most when `timed`. */
export function awaiting({ flow, seq, attempt }: Claimed, name: string, timed = false): Ended {
  const wait = { kind: 'signal' as const, name };
  const delay = timed ? 3_600_000 : null;
  return { ...NOTHING, flow, seq, attempt, status: 'outside', reason: 'signal', age: 5, delay, wait };
}

/** Takes and finishes everything that becomes ready; returns `flow/seq` in the order of claiming. */
export async function runAll(watcher: TestWatcher, first: Claimed[] = []): Promise<string[]> {
  const ran: string[] = [];
  for (let ended = first.map((task) => finished(task)); ;) {
    const { claimed } = await watcher.call({ ended });
    if (claimed.length === 0) return ran;
    ran.push(...claimed.map(({ flow, seq }) => `${flow}/${seq}`));
    ended = claimed.map((task) => finished(task));
  }
}
