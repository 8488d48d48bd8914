// Flows and their executions, defined and registered the way a user's are: rows of ms_task_definition, then the registrar.
import type { JsonObject } from '../../src/dag/vocabulary.ts';
import { makeRegistrar } from '../../src/registrar/registrar.ts';
import type { Register } from '../../src/registrar/register.ts';
import { silentLogger } from '../../src/log.ts';
import type { Database } from '../../src/sql/database.ts';
import { makeHinter } from '../../src/sql/hinter.ts';
import type { Graph } from '../graphs.ts';
import { openPool } from './database.ts';

export interface Flow {
  id: string;
  graph: Graph;
  program: string;
  params?: JsonObject;
  /** -20 (most urgent) to 19; default 0. */
  priority?: number;
  /** Options of its first step. */
  options?: JsonObject;
}

export async function defineFlow(db: Database, flow: Flow): Promise<void> {
  await db.pool.query(
    `insert into ms_task_definition (task_id, task_seq, program, task_priority, depends_task_seq, params, options)
     select $1, u.seq, $2, $3, u.depends::numeric[], $4, case when u.seq = 1 then $6::jsonb end
     from unnest($5::text[]) with ordinality u(depends, seq)`,
    [
      flow.id,
      flow.program,
      flow.priority ?? 0,
      flow.params ?? null,
      flow.graph.map((depends) => `{${depends.join()}}`),
      flow.options ?? null,
    ],
  );
}

/** The product's registrar on a pool of its own, which wakes as the product does: a watcher of this process, and all others. */
export function openRegistrar(
  url: string,
  wakeOwn: (pool: string, priority: number) => void = () => undefined,
): { db: Database; register: Register; close: () => Promise<void> } {
  const db = openPool(url, 'umbel bench register');
  const hinter = makeHinter(db, silentLogger());
  const wake = (pool: string, priority: number) => {
    wakeOwn(pool, priority);
    hinter.hint(pool, priority);
  };
  return { db, register: makeRegistrar({ db, wake }).register, close: db.close };
}

const AT_ONCE = 5_000;

/** Registers that many executions, as many callers would together. */
export async function registerMany(register: Register, flow: string, count: number): Promise<void> {
  for (let left = count; left > 0; left -= AT_ONCE) {
    const batch = Array.from({ length: Math.min(left, AT_ONCE) }, () => registerOne(register, flow));
    await Promise.all(batch);
  }
}

export async function registerOne(register: Register, flow: string): Promise<string> {
  const { id } = await register({ flow, tenant: 'local', trigger: { kind: 'bench' } });
  return id;
}

/** Defines the flow and registers a backlog of it; resolves with the database's time before the first one. */
export async function fillBacklog(url: string, flow: Flow, executions: number): Promise<Date> {
  const { db, register, close } = openRegistrar(url);
  try {
    const { rows } = await db.pool.query<{ now: Date }>('select now()');
    await defineFlow(db, flow);
    await registerMany(register, flow.id, executions);
    return rows[0]!.now;
  } finally {
    await close();
  }
}
