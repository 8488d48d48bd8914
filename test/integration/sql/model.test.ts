// Random graphs, outcomes, operators and accidents: after every move Postgres stands as the pure model does.
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ExecStatus } from '../../../src/dag/vocabulary.ts';
import { createDatabase, servers, type TestDatabase } from '../../support/database.ts';
import { listClaimable, statusOf } from '../../support/ledger.ts';
import { countActive, countWaitingOn } from '../../support/model.ts';
import { randomScripts } from '../../support/moves.ts';
import { beginWorld, endWorld, makeMove, runToQuiescence, type World } from '../../support/world.ts';

// The usual run plays the same games each time; MODEL_RUNS=n plays n new ones.
const GAMES = process.env.MODEL_RUNS
  ? { numRuns: Number(process.env.MODEL_RUNS) }
  : { numRuns: 100, seed: 26 };

describe.each(servers())('on $name', ({ server }) => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase({ server });
    await database.db.pool.query('set synchronous_commit = off');
  });
  afterAll(() => database.drop());

  test(
    'Postgres and the model agree after every move, and at the end nothing is left behind',
    async () => {
      const property = fc.asyncProperty(randomScripts(), async (script) => {
        const world = await beginWorld(database.db, script);
        try {
          for (const [at, move] of script.moves.entries()) {
            const complaints = await makeMove(world, move);
            const { postgres, model } = await lookAt(world, `after move ${at}: ${JSON.stringify(move)}`);
            expect({ ...postgres, complaints }).toEqual({ ...model, complaints: [] });
          }
          expect(await runToQuiescence(world)).toEqual([]);
          const { postgres, model } = await lookAt(world, 'at the end');
          expect(postgres).toEqual(model);
          expect(world.executions.flatMap((execution) => listClaimable(execution))).toEqual([]);
        } finally {
          await endWorld(world);
        }
      });
      await fc.assert(property, GAMES);
    },
    20_000 + GAMES.numRuns * 1_000,
  );
});

/** Both sides of the comparison, with the move that led there: it is part of what a failure shows. */
async function lookAt(world: World, when: string) {
  const postgres = {
    when,
    tasks: await readTasks(world),
    executions: await readExecutions(world),
    leftOut: await readLeftOut(world),
  };
  const model = { when, tasks: expectTasks(world), executions: expectExecutions(world), leftOut: [] };
  return { postgres, model };
}

function expectTasks({ executions }: World) {
  return executions
    .flatMap((execution) => {
      const { id, plan, rows, books } = execution;
      const runnable = listClaimable(execution);
      return [...rows].map(([seq, { status, reason, hold, timed, wait, chosen }]) => ({
        flow: id,
        seq,
        status,
        reason,
        hold: hold ?? false,
        timed: timed ?? false,
        waits: wait ? [wait.name, wait.timed] : null,
        chosen: chosen ?? null,
        ready: runnable.includes(seq),
        waitingOn: countWaitingOn(
          plan.find(({ execSeq }) => execSeq === seq)!,
          rows,
        ),
        ...books.get(seq),
      }));
    })
    .toSorted((a, b) => (a.flow === b.flow ? a.seq - b.seq : a.flow < b.flow ? -1 : 1));
}

async function readTasks({ db }: World) {
  const { rows } = await db.pool.query(
    `select task_flow_id flow, task_exec_seq::int seq, exec_status::int status, reason, hold, ready, waiting_on "waitingOn",
            chosen::int[], attempt, lost, retried, watcher_id watcher, exists (select from kr_timer k where k.task_flow_id = kr_task_stat.task_flow_id
              and k.task_exec_seq = kr_task_stat.task_exec_seq and k.kind <> 'wait') timed,
            (select json_build_array(w.name, exists (select from kr_timer k where k.task_flow_id = w.task_flow_id and k.task_exec_seq = w.task_exec_seq
               and k.kind = 'wait')) from kr_wait w where w.task_flow_id = kr_task_stat.task_flow_id and w.task_exec_seq = kr_task_stat.task_exec_seq) waits
     from kr_task_stat order by task_flow_id, kr_task_stat.task_exec_seq`,
  );
  return rows as unknown[];
}

/** Of an execution whose last row was deleted nothing is asked. */
function expectExecutions({ executions }: World) {
  return executions
    .filter(({ rows }) => rows.size > 0)
    .map((execution) => {
      const { id, plan, rows, place, signals } = execution;
      const status = statusOf(execution);
      return {
        flow: id,
        status,
        active: countActive(plan, rows),
        ended: status !== 'open' && status !== 'paused',
        place,
        signals: signals.map(({ name, to }) => [name, to]),
      };
    })
    .toSorted((a, b) => (a.flow < b.flow ? -1 : 1));
}

async function readExecutions({ db, executions }: World) {
  const { rows } = await db.pool.query(
    `select task_flow_id flow, flow_status status, active, finished_ts is not null ended, place,
       (select coalesce(json_agg(json_build_array(s.name, s.task_exec_seq) order by s.signal_id), '[]') from kr_signal s
        where s.task_flow_id = kr_flow_stat.task_flow_id) signals from kr_flow_stat
     where task_flow_id = any ($1) order by task_flow_id`,
    [executions.filter(({ rows }) => rows.size > 0).map(({ id }) => id)],
  );
  return rows as unknown[];
}

/** Running rows that rescue would not find, or that still show what an earlier attempt left. */
async function readLeftOut({ db }: World) {
  const { rows } = await db.pool.query(
    `select t.task_flow_id flow, t.task_exec_seq seq from kr_task_stat t
     where t.exec_status = $1 and (
       t.finished_ts is not null or t.suspended_ts is not null or t.result is not null
       or not exists (select from kr_claim c, unnest(c.flows, c.seqs) held(flow, seq)
                      where c.watcher_id = t.watcher_id and held.flow = t.task_flow_id and held.seq = t.task_exec_seq))`,
    [ExecStatus.running],
  );
  return rows as unknown[];
}
