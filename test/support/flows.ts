// Flows as a user defines them, and executions as the register server makes them. For tests in which watchers run.
import { silentLogger } from '../../src/log.ts';
import type { RegisterRequest } from '../../src/registrar/register.ts';
import { makeRegistrar, type Registrar } from '../../src/registrar/registrar.ts';
import type { Database } from '../../src/sql/database.ts';
import { makeHinter } from '../../src/sql/hinter.ts';
import { readStatuses } from './rows.ts';
import { until } from './service.ts';

export interface StepRow {
  program: string;
  priority?: number;
  pool?: string;
  /** Predecessors by task_seq; absent: the previous step. */
  depends?: number[];
  params?: Record<string, unknown>;
  options?: Record<string, unknown>;
}

/** Inserts the definition, seqs 1..n. */
export async function defineFlow(db: Database, flow: string, steps: StepRow[]): Promise<void> {
  for (const [
    at,
    { program, priority = 0, pool = null, depends = null, params = null, options = null },
  ] of steps.entries())
    await db.pool.query(
      `insert into ms_task_definition (task_id, task_seq, program, task_priority, pool, depends_task_seq, params, options)
       values ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [flow, at + 1, program, priority, pool, depends, params, options],
    );
}

export interface Registering extends Registrar {
  /** Registers one execution and returns its id. */
  start: (flow: string, rest?: Partial<RegisterRequest>) => Promise<string>;
}

/** A registrar that hints to watchers as the register server's does. */
export function makeTestRegistrar(db: Database): Registering {
  const hinter = makeHinter(db, silentLogger());
  const registrar = makeRegistrar({ db, wake: (pool, priority) => hinter.hint(pool, priority) });
  const start: Registering['start'] = async (flow, rest = {}) =>
    (await registrar.register({ flow, tenant: 'local', trigger: { kind: 'test' }, ...rest })).id;
  return { ...registrar, start };
}

/** Waits until the execution's tasks stand so, by exec seq. */
export async function untilStatuses(
  db: Database,
  execution: string,
  wanted: number[],
  seconds = 20,
): Promise<void> {
  const ask = async () => (await readStatuses(db, execution)).join();
  await until(ask, (found) => found === wanted.join(), seconds).catch(async () => {
    throw new Error(`never stood at ${wanted.join()}; stands at ${await ask()}`);
  });
}
