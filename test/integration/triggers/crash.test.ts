// Schedulers that die in the middle of a turn, beside others that live: no time fires twice and none is lost.
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeManyRegistrar } from '../../../src/registrar/register-many.ts';
import { cancelRunning, runTurn } from '../../../src/triggers/fire.ts';
import { countDoomed, type CrashPlan, openDoomed } from '../../support/crash.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { defineSchedule, endExecutions } from '../../support/schedules.ts';
import { until } from '../../support/service.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

const BEGIN = Date.parse('2030-01-01T00:00:00Z');
const SCHEDULES = [
  { every: 1, policy: { misfire: 'all' } },
  { every: 2, policy: { misfire: 'all', overlap: 'skip' } },
  { every: 3, policy: { misfire: 'all', overlap: 'queue' } },
  { every: 4, policy: { misfire: 'last', overlap: 'cancel-running', jitter: 900 } },
  { every: 5, policy: { misfire: 'none' } },
];

interface Step {
  /** Seconds that pass before it. */
  seconds: number;
  /** Null: nobody dies. */
  crash: CrashPlan | null;
  /** How many live schedulers take their turns at the same time. */
  others: number;
  /** Executions end after it. */
  ends: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  seconds: fc.integer({ min: 0, max: 25 }),
  crash: fc.option(fc.record({ at: fc.integer({ min: 1, max: 14 }), sent: fc.boolean() }), { freq: 5 }),
  others: fc.integer({ min: 0, max: 2 }),
  ends: fc.boolean(),
});

/** Turns of one scheduler until nothing is left to do at this moment, or it dies. */
async function schedule(db: TestDatabase['db'], now: number): Promise<void> {
  const registrar = makeManyRegistrar(db, () => {});
  for (;;) {
    const turn = await runTurn({ db, registrar, readNow: async () => new Date(now) });
    for (const cancel of turn.cancels) await cancelRunning(db, cancel);
    if (turn.taken === 0) return;
  }
}

async function die(plan: CrashPlan, now: number): Promise<void> {
  const doomed = openDoomed(database.url, plan);
  await schedule(doomed, now).catch(() => undefined);
  await doomed.close().catch(() => undefined);
}

async function take({ crash, others }: Step, now: number): Promise<void> {
  await Promise.all([
    ...(crash === null ? [] : [die(crash, now)]),
    ...Array.from({ length: others }, () => schedule(database.db, now)),
  ]);
  await until(
    () => countDoomed(database.db),
    (count) => count === 0,
  );
}

interface Seen {
  fires: { slot: Date; decision: string; through: Date | null; execution: string | null }[];
  executions: { id: string; at: string }[];
}

async function look(flow: string): Promise<Seen> {
  const { pool } = database.db;
  const fires = await pool.query<Seen['fires'][number]>(
    'select slot, decision, through, task_flow_id execution from kr_fire where task_id = $1 order by slot',
    [flow],
  );
  const executions = await pool.query<Seen['executions'][number]>(
    `select task_flow_id id, trigger ->> 'scheduledAt' as at from kr_flow_stat where task_id = $1 order by 2`,
    [flow],
  );
  return { fires: fires.rows, executions: executions.rows };
}

/** The slots that a decision is about. */
function slotsOf({ slot, through }: Seen['fires'][number], every: number): number[] {
  const found = [slot.getTime()];
  while (through !== null && found.at(-1)! + every * 1000 <= through.getTime())
    found.push(found.at(-1)! + every * 1000);
  return found;
}

let run = 0;

test('every time is decided on once, and every execution has its own, whoever dies when', async () => {
  const holds = fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 6 }), async (steps) => {
    run += 1;
    const flows = SCHEDULES.map((one, at) => ({ ...one, flow: `run-${run}-${at}` }));
    for (const { flow, every, policy } of flows)
      await defineSchedule(database.db, flow, {
        cron: every === 1 ? '* * * * * *' : `*/${every} * * * * *`,
        since: new Date(BEGIN).toISOString(),
        policy,
      });
    let now = BEGIN;
    for (const step of steps) {
      now += step.seconds * 1000;
      await take(step, now);
      if (step.ends) for (const { flow } of flows) await endExecutions(database.db, flow);
    }
    // The minute is over at an instant at which every jittered time has come, too.
    now = Math.ceil((now + 1) / 60_000) * 60_000 + 999;
    await schedule(database.db, now);
    for (const { flow, every } of flows) {
      const { fires, executions } = await look(flow);
      const wanted: number[] = [];
      for (let slot = BEGIN + every * 1000; slot <= now; slot += every * 1000) wanted.push(slot);
      expect(fires.flatMap((fire) => slotsOf(fire, every))).toEqual(wanted);
      const started = fires.filter(({ execution }) => execution !== null);
      expect(started.map(({ execution, slot }) => ({ id: execution, at: slot.toISOString() }))).toEqual(
        executions,
      );
      expect(started.every(({ decision }) => decision === 'fired' || decision === 'cancelled')).toBe(true);
    }
    await database.db.pool.query(`update ms_flow set status = 'inactive'`);
  });
  await fc.assert(holds, { numRuns: 25, endOnFailure: true });
}, 240_000);
