// Random games of watchers with limited tasks: whatever happens, no key is ever held more often than it may, and nothing waits for ever.
import * as fc from 'fast-check';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expand } from '../../../src/dag/expand.ts';
import type { Claimed } from '../../../src/sql/advance.ts';
import { storePlan } from '../../../src/sql/definitions.ts';
import { rescueTasks, returnStrays, returnTasks } from '../../../src/sql/leases.ts';
import { dropIdleSlots, type Limit, resetSlots, takeTasks } from '../../../src/sql/slots.ts';
import { createDatabase, servers, type TestDatabase } from '../../support/database.ts';
import {
  failed,
  finished,
  joinWatcher,
  registerMany,
  type TestWatcher,
  toBeRetried,
} from '../../support/runs.ts';
import { makeSteps } from '../../support/steps.ts';

type Move =
  | { kind: 'take'; hand: number; want: number; lost: boolean }
  | { kind: 'end'; hand: number; outcome: 'finished' | 'failed' | 'retry'; count: number }
  | { kind: 'return'; hand: number }
  | { kind: 'die'; hand: number }
  | { kind: 'edit'; status: number; pick: number }
  | { kind: 'hold'; hold: boolean; pick: number }
  | { kind: 'fire' }
  | { kind: 'sweep' };

const LIMITS: Record<string, number> = { a: 1, b: 2, c: 3 };
const hand = fc.nat(2);
const moves = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('take' as const),
        hand,
        want: fc.integer({ min: 0, max: 5 }),
        lost: fc.nat(9).map((n) => n === 0),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('end' as const),
        hand,
        outcome: fc.constantFrom(
          'finished' as const,
          'finished' as const,
          'failed' as const,
          'retry' as const,
        ),
        count: fc.integer({ min: 1, max: 3 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('return' as const), hand }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('die' as const), hand }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('edit' as const),
        status: fc.constantFrom(0, 2, 3, 9),
        pick: fc.nat(99),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('hold' as const), hold: fc.boolean(), pick: fc.nat(99) }),
    },
    { weight: 1, arbitrary: fc.constantFrom<Move>({ kind: 'fire' }, { kind: 'sweep' }) },
  ),
  { minLength: 5, maxLength: 40, size: 'max' },
) as fc.Arbitrary<Move[]>;

interface Hand {
  watcher: TestWatcher;
  held: Claimed[];
  slots: Map<Claimed, string[]>;
  released: Set<string>;
  after: string;
  claim: number;
  unsure: boolean;
}

describe.each(servers())('on $name', ({ server }) => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase({ server });
    await database.db.pool.query('set synchronous_commit = off');
  });
  afterAll(() => database.drop());
  const query = async (text: string, values: unknown[] = []) =>
    (await database.db.pool.query<Record<string, string | number>>(text, values)).rows;

  const join = async (): Promise<Hand> => ({
    watcher: await joinWatcher(database.db),
    held: [],
    slots: new Map(),
    released: new Set(),
    after: '',
    claim: 1_000,
    unsure: false,
  });

  /** Each task has the keys of its priority: 0 has none, the others one or two. */
  const limitsOf = (keys: string[]): Limit[] =>
    keys.map((key) => ({ slot: `local\u001fkey:${key}\u001f`, limit: LIMITS[key]!, per: null }));
  const KEYS = [['a'], ['b'], ['a', 'b'], ['c'], ['b', 'c']];

  const take = async (one: Hand, want: number, lost = false) => {
    const { db } = database;
    const mine = new Map([...one.released].map((slot) => [slot, 0]));
    for (const slots of one.slots.values())
      for (const slot of slots) mine.set(slot, (mine.get(slot) ?? 0) + 1);
    // As the watcher does before its next call: tasks of a lost answer go back first, then their slots.
    if (one.unsure) {
      await returnStrays(db, one.watcher.id, one.held);
      await resetSlots(db, one.watcher.id, [...mine.keys()]);
    }
    const call = { watcher: one.watcher.id, pool: 'default', want, mine, looks: true, after: one.after };
    const shown = await takeTasks(db, { ...call, want: 0, claim: ++one.claim, candidates: [], peek: 20 });
    const candidates = shown.unworked.map(({ flow, seq, taskSeq }) => ({
      flow,
      seq,
      limits: limitsOf(KEYS[Number(taskSeq) - 1]!),
    }));
    const answer = await takeTasks(db, { ...call, claim: ++one.claim, candidates, peek: 0 });
    one.unsure = lost;
    if (lost) return 0;
    one.released.clear();
    one.after = answer.after;
    for (const { task, limits } of answer.claimed) {
      one.held.push(task);
      one.slots.set(
        task,
        limits.map(({ slot }) => slot),
      );
    }
    return answer.claimed.length;
  };

  const letGo = (one: Hand, task: Claimed) => {
    one.held = one.held.filter((held) => held !== task);
    for (const slot of one.slots.get(task) ?? []) one.released.add(slot);
    one.slots.delete(task);
  };

  const end = async (one: Hand, outcome: string, count: number) => {
    const tasks = one.held.slice(0, count);
    const record = outcome === 'finished' ? finished : outcome === 'failed' ? failed : toBeRetried;
    await one.watcher.call({ ended: tasks.map((task) => record(task)), slots: 0, want: 0, most: 0 });
    for (const task of tasks) letGo(one, task);
  };

  /** Keys of which live watchers run more tasks than they may; a lost answer's tasks are running, too. */
  const overfull = () =>
    query(
      `select l.slot, count(*)::int n from kr_task_stat t join kr_watcher w on w.watcher_id = t.watcher_id
       cross join lateral jsonb_to_recordset(t.limits) l(slot text, "limit" int) where t.exec_status = 1
       group by l.slot, l."limit" having count(*) > l."limit"`,
    );

  const play = async (hands: Hand[], flows: string[], move: Move) => {
    const { db } = database;
    switch (move.kind) {
      case 'take':
        return void (await take(hands[move.hand]!, move.want, move.lost && !hands[move.hand]!.unsure));
      case 'end':
        return end(hands[move.hand]!, move.outcome, move.count);
      case 'return': {
        const one = hands[move.hand]!;
        const [task] = one.held;
        if (task === undefined) return;
        await returnTasks(db, one.watcher.id, [task], false);
        return letGo(one, task);
      }
      case 'die':
        await query(`update kr_watcher set lease_until = now() - interval '1 second' where watcher_id = $1`, [
          hands[move.hand]!.watcher.id,
        ]);
        await rescueTasks(db, 3);
        hands[move.hand] = await join();
        return;
      case 'edit':
        await query(
          'update kr_task_stat set exec_status = $2 where task_flow_id = $1 and task_exec_seq = $3 and exec_status <> 1',
          [flows[move.pick % flows.length], move.status, 1 + (move.pick % KEYS.length)],
        );
        return;
      case 'hold':
        await query('update kr_task_stat set hold = $2 where task_flow_id = $1 and exec_status = 0', [
          flows[move.pick % flows.length],
          move.hold,
        ]);
        return;
      case 'fire':
        await query(`update kr_timer set due_ts = now() - interval '1 second'`);
        await query('select umbel_fire_v1(100)');
        return;
      case 'sweep':
        await dropIdleSlots(db);
    }
  };

  test('no key is ever overfull, and everything comes to its end', async () => {
    const property = fc.asyncProperty(moves, async (script) => {
      const { db } = database;
      for (const table of ['kr_task_stat', 'kr_flow_stat', 'kr_watcher', 'kr_claim', 'kr_slot'])
        await query(`truncate ${table}`);
      const steps = makeSteps({ v: [], w: [], x: ['v'], y: ['w'], z: ['x'] });
      const flow = `flow-${randomUUID()}`;
      const version = randomUUID();
      const [{ revision }] = (await query('insert into ms_flow (task_id) values ($1) returning revision', [
        flow,
      ])) as [{ revision: string }];
      const plan = expand(steps).map((task) => ({ ...task, limited: true }));
      await storePlan(db, { version, flow, definition: {}, tasks: plan });
      const flows = await registerMany(db, { flow, revision, version, plan }, 4);
      const hands = [await join(), await join(), await join()];
      for (const [at, move] of script.entries()) {
        await play(hands, flows, move);
        expect([at, move, await overfull()]).toEqual([at, move, []]);
      }
      await query('update kr_task_stat set hold = false where hold');
      await query(`update kr_task_stat set exec_status = 0 where exec_status = 2`);
      for (const one of hands) {
        const strays = await query('select 1 from kr_task_stat where watcher_id = $1 and exec_status = 1', [
          one.watcher.id,
        ]);
        if (strays.length > one.held.length)
          await query(`update kr_task_stat set exec_status = 0 where watcher_id = $1 and exec_status = 1`, [
            one.watcher.id,
          ]);
      }
      for (let idle = 0; idle < 3;) {
        let moved = 0;
        await query(`update kr_timer set due_ts = now() - interval '1 second'`);
        await query('select umbel_fire_v1(100)');
        for (const one of hands) {
          moved += one.held.length;
          await end(one, 'finished', one.held.length);
          moved += await take(one, 10);
          expect(await overfull()).toEqual([]);
        }
        idle = moved === 0 ? idle + 1 : 0;
      }
      expect(
        await query(
          'select task_flow_id, task_exec_seq, exec_status from kr_task_stat where exec_status in (0, 1)',
        ),
      ).toEqual([]);
      expect(await query('select slot from kr_slot where umbel_filled(watchers, held) > 0')).toEqual([]);
      expect(await query('select 1 from kr_slot_queue')).toEqual([]);
    });
    await fc.assert(
      property,
      process.env.MODEL_RUNS ? { numRuns: Number(process.env.MODEL_RUNS) } : { numRuns: 40, seed: 26 },
    );
  }, 120_000);
});
