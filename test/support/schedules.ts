// Flows with schedules, and schedulers whose clock the test sets.
import { makeManyRegistrar } from '../../src/registrar/register-many.ts';
import type { Database } from '../../src/sql/database.ts';
import { runTurn, type Turn } from '../../src/triggers/fire.ts';
import { defineFlow } from './flows.ts';

export interface ScheduleOptions {
  cron: string;
  timezone?: string;
  /** Everything up to here is decided. */
  since: string;
  policy?: Record<string, unknown>;
  program?: string;
}

/** An active flow of one step with a schedule. */
export async function defineSchedule(db: Database, flow: string, options: ScheduleOptions): Promise<void> {
  const { cron, timezone = null, since, policy, program = 'empty' } = options;
  await defineFlow(db, flow, [{ program }]);
  const settings = policy === undefined ? null : JSON.stringify({ flowSettings: { schedule: policy } });
  await db.pool.query(
    `update ms_flow set cron = $2, timezone = $3, settings = $4, status = 'active' where task_id = $1`,
    [flow, cron, timezone, settings],
  );
  await db.pool.query('update ms_schedule set decided_to = $2, due_execution = null where task_id = $1', [
    flow,
    since,
  ]);
}

/** Takes turns until there is nothing more to do at that time. */
export function makeTurns(db: Database) {
  const registrar = makeManyRegistrar(db, () => {});
  return async function turnAt(now: string | number): Promise<Turn[]> {
    const turns: Turn[] = [];
    for (;;) {
      const turn = await runTurn({ db, registrar, readNow: async () => new Date(now) });
      if (turn.taken === 0) return turns;
      turns.push(turn);
      if (turn.cancels.length > 0) return turns;
    }
  };
}

export interface FireRow {
  slot: string;
  decision: string;
  reason: string | null;
  through: string | null;
  execution: string | null;
}

const short = (time: Date | null) => time?.toISOString().slice(5, 19).replace('T', ' ') ?? null;

/** Decisions of a flow, the oldest first; times without year and milliseconds. */
export async function readFires(db: Database, flow: string): Promise<FireRow[]> {
  const { rows } = await db.pool.query<{
    slot: Date;
    decision: string;
    reason: string | null;
    through: Date | null;
    execution: string | null;
  }>(
    'select slot, decision, reason, through, task_flow_id execution from kr_fire where task_id = $1 order by slot',
    [flow],
  );
  return rows.map((row) => ({ ...row, slot: short(row.slot)!, through: short(row.through) }));
}

/** `slot decision` of each. */
export async function listDecisions(db: Database, flow: string): Promise<string[]> {
  return (await readFires(db, flow)).map(({ slot, decision }) => `${slot} ${decision}`);
}

/** Executions of a flow. */
export async function countExecutions(db: Database, flow: string): Promise<number> {
  const { rows } = await db.pool.query<{ n: number }>(
    'select count(*)::int n from kr_flow_stat where task_id = $1',
    [flow],
  );
  return rows[0]!.n;
}

/** Ends what runs, as a watcher would have. */
export async function endExecutions(db: Database, flow: string): Promise<void> {
  await db.pool.query('update kr_task_stat set exec_status = 3 where task_id = $1 and exec_status <> 3', [
    flow,
  ]);
}
