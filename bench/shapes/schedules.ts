// Schedules of as many flows, all due in the same second, with one and with three schedulers. Nothing watches meanwhile.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../../src/sql/database.ts';
import { umbel } from '../contenders/umbel.ts';
import { startChild } from '../processes/child.ts';
import { probeDatabase } from '../probes/database.ts';
import { nodeFigures, type NodeUsage } from '../probes/node.ts';
import type { Case, Figures, Shape } from '../shape.ts';
import { openPool } from '../umbel/database.ts';
import { NOOP } from '../umbel/programs.ts';
import { POLL_INTERVAL_MS } from '../umbel/watching.ts';

/** 10,000 of a run of 100,000 tasks. */
const SHARE = 0.1;
/** Time in which the schedulers learn of all the schedules. */
const LEAD_MS = 15_000;
const PATIENCE_MS = 60_000;

export const schedules: Shape = {
  name: 'schedules',
  title: 'Schedules: all due in the same second',
  headline: { figure: 'lastMs', unit: 'ms', better: 'less' },
  cases: { '1 scheduler': schedulesCase(1), '3 schedulers': schedulesCase(3) },
};

function schedulesCase(schedulers: number): Case {
  return {
    contender: umbel,
    async run({ url, tasks }) {
      const flows = Math.max(1, Math.round(tasks * SHARE));
      const children = await Promise.all(
        Array.from({ length: schedulers }, () => startChild('scheduler', { url })),
      );
      try {
        const due = await withPool(url, (db) => defineSchedules(db, flows));
        const { done, figures } = await probeDatabase(url, async () => {
          await Promise.all(children.map((child) => child.ask('start')));
          await withPool(url, (db) => waitForFires(db, flows, due));
          const usages = await Promise.all(children.map((child) => child.ask<NodeUsage>('usage')));
          await Promise.all(children.map((child) => child.ask('stop')));
          return { usages, tasks: flows };
        });
        const fired = await withPool(url, (db) => readFigures(db, due));
        return {
          figures: { ...fired, ...figures, ...nodeFigures(done.usages) },
          settings: { schedules: flows, schedulers, pollIntervalMs: POLL_INTERVAL_MS },
        };
      } finally {
        await Promise.all(children.map((child) => child.end()));
      }
    },
  };
}

async function withPool<Result>(url: string, work: (db: Database) => Promise<Result>): Promise<Result> {
  const db = openPool(url, 'umbel bench schedules');
  try {
    return await work(db);
  } finally {
    await db.close();
  }
}

/** As many active flows of one step; gives the second at which all of them are due. */
async function defineSchedules(db: Database, flows: number): Promise<Date> {
  await db.pool.query(
    `insert into ms_task_definition (task_id, task_seq, program) select 'bench-' || n, 1, $2 from generate_series(1, $1) n`,
    [flows, NOOP],
  );
  const { rows } = await db.pool.query<{ due: Date }>(
    `select date_trunc('second', clock_timestamp() + $1 * interval '1 ms') due`,
    [LEAD_MS],
  );
  const { due } = rows[0]!;
  const cron = `${due.getUTCSeconds()} ${due.getUTCMinutes()} ${due.getUTCHours()} * * *`;
  await db.pool.query(`update ms_flow set cron = $1, status = 'active'`, [cron]);
  return due;
}

async function waitForFires(db: Database, flows: number, due: Date): Promise<void> {
  await sleep(Math.max(0, due.getTime() - Date.now()));
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    const { rows } = await db.pool.query<{ n: number }>('select count(*)::int n from kr_fire');
    if (rows[0]!.n === flows) return;
    if (performance.now() > until) throw new Error(`${rows[0]!.n} of ${flows} schedules fired`);
    await sleep(100);
  }
}

/** Milliseconds from the second at which all were due to the executions being stored, and how many flows have more than one. */
async function readFigures(db: Database, due: Date): Promise<Figures> {
  const { rows } = await db.pool.query<Figures>(
    `select min(f.ms)::float8 "firstMs", percentile_cont(0.5) within group (order by f.ms) "p50Ms", max(f.ms)::float8 "lastMs",
            (select count(*)::float8 from (select from kr_flow_stat group by task_id having count(*) > 1) d) doubled
     from (select extract(epoch from decided_ts - $1) * 1000 ms from kr_fire where decision = 'fired') f`,
    [due],
  );
  return rows[0]!;
}
