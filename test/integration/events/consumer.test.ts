import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Bell, startBell } from '../../../src/events/bell.ts';
import { type Consumer, type ConsumerDeps, startConsumer } from '../../../src/events/consumer.ts';
import { silentLogger } from '../../../src/log.ts';
import { listConsumers, putCursor } from '../../../src/sql/event-cursors.ts';
import { type Event, positionBefore } from '../../../src/sql/events.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { emit, until } from '../../support/events.ts';

const log = silentLogger();
let database: TestDatabase;
let bell: Bell;
let stops: (() => Promise<void>)[] = [];

beforeAll(async () => {
  database = await createDatabase();
  bell = startBell(database.url, log);
});
afterAll(async () => {
  await bell.stop();
  await database.drop();
});
beforeEach(() => database.db.pool.query('truncate ms_event, ms_event_cursor'));
afterEach(async () => {
  await Promise.all(stops.map((stop) => stop()));
  stops = [];
});

const numbers = (events: Event[]) => events.map(({ payload }) => Number(payload));
const start = (consumer: Consumer, rest: Partial<ConsumerDeps> = {}) => {
  const running = startConsumer(
    { db: database.db, bell, log, service: 'umbel', poll: 20, ...rest },
    consumer,
  );
  stops.push(running.stop);
  return running;
};
/** A consumer that keeps what it gets. */
const collect = (rest: Partial<Consumer> = {}) => {
  const got: number[] = [];
  const handle = async (events: Event[]) => void got.push(...numbers(events));
  return { got, consumer: { name: 'one', from: 'start', handle, ...rest } as Consumer };
};

describe('a consumer', () => {
  it('gets what it asked for, in order, and goes on where it stopped', async () => {
    const { got, consumer } = collect({ names: ['flow.*'] });
    await emit(database.db.pool, 'flow.started', 1, 2);
    await emit(database.db.pool, 'execution.failed', 3);
    const first = start(consumer);
    await until(() => got.length === 2);
    await first.stop();
    await emit(database.db.pool, 'flow.stopped', 4);
    start(consumer);
    await until(() => got.length === 3);
    expect(got).toEqual([1, 2, 4]);
  });

  it('that is new begins with what comes, unless it asks for the start', async () => {
    await emit(database.db.pool, 'a', 1);
    const late = collect({ from: 'now' });
    start(late.consumer);
    await until(async () => (await listConsumers(database.db)).length === 1);
    await emit(database.db.pool, 'a', 2);
    await until(() => late.got.length === 1);
    expect(late.got).toEqual([2]);
  });

  it('is woken by an event long before it would look again', async () => {
    const { got, consumer } = collect();
    start(consumer, { poll: 3_600_000 });
    await until(async () => (await listConsumers(database.db))[0]?.isRead);
    await emit(database.db.pool, 'a', 1);
    await until(() => got.length === 1);
  });

  it('that throws gets the same again, and holds up nobody else', async () => {
    const got: number[] = [];
    let isBroken = true;
    start({
      name: 'broken',
      from: 'start',
      oneByOne: true,
      async handle(events) {
        if (isBroken && numbers(events).includes(2)) throw new Error('no luck');
        got.push(...numbers(events));
      },
    });
    const other = collect({ name: 'other' });
    start(other.consumer);
    await emit(database.db.pool, 'a', 1, 2, 3);
    await until(() => other.got.length === 3);
    const failed = await until(async () =>
      (await listConsumers(database.db)).find(({ failures }) => failures > 2),
    );
    expect(failed).toMatchObject({ consumer: 'broken', behind: 2, error: 'no luck' });
    expect(got).toEqual([1]);
    isBroken = false;
    await until(() => got.length === 3);
    expect(got).toEqual([1, 2, 3]);
    await until(async () =>
      (await listConsumers(database.db)).every(({ behind, failures }) => behind + failures === 0),
    );
  });

  it('that writes in the transaction of its cursor does so exactly once, although it fails and is taken over', async () => {
    await database.db.pool.query('create table told (n int)');
    let fails = 4;
    const consumer: Consumer = {
      name: 'exact',
      from: 'start',
      batch: 7,
      async handleIn(tx, events) {
        for (const n of numbers(events)) await sql`insert into told values (${n})`.execute(tx);
        if ((fails -= 1) >= 0) throw new Error('after writing');
      },
    };
    const all = Array.from({ length: 100 }, (_, n) => n);
    const [first] = [start(consumer), start(consumer)];
    await emit(database.db.pool, 'a', ...all.slice(0, 50));
    await first.stop();
    await emit(database.db.pool, 'a', ...all.slice(50));
    const told = async () =>
      (await database.db.pool.query<{ n: number }>('select n from told')).rows.map(({ n }) => n);
    await until(async () => (await told()).length >= 100);
    await until(async () => (await listConsumers(database.db))[0]?.behind === 0);
    expect(await told()).toEqual(all);
  });

  it('runs in one process of many, and in the next when that stops', async () => {
    const readers = Array.from({ length: 4 }, () => collect());
    const running = readers.map(({ consumer }) => start(consumer, { lease: 60_000 }));
    const sum = () => readers.reduce((total, { got }) => total + got.length, 0);
    for (let n = 0; n < 4; n++) {
      await emit(database.db.pool, 'a', n);
      await until(() => sum() === n + 1);
      const reader = readers.findIndex(({ got }) => got.includes(n));
      await running[reader]!.stop();
    }
    expect(readers.map(({ got }) => got.length)).toEqual([1, 1, 1, 1]);
  });

  it('takes over from a process that died, when its lease is over', async () => {
    const { got, consumer } = collect();
    start(consumer, { lease: 60_000 });
    await until(async () => (await listConsumers(database.db))[0]?.isRead);
    await stops.pop()!();
    await database.db.pool.query(
      `update ms_event_cursor set holder = gen_random_uuid(), lease_until = now() + interval '1 hour'`,
    );
    start(consumer, { lease: 60 });
    await emit(database.db.pool, 'a', 1);
    await until(async () => {
      const { rows } = await database.db.pool.query(
        `select 1 from pg_stat_activity where query like 'update ms_event_cursor set holder%'`,
      );
      return rows.length > 0;
    });
    expect(got).toEqual([]);
    await database.db.pool.query(`update ms_event_cursor set lease_until = now()`);
    await until(() => got.length === 1);
  });

  it('starts over where it is put, while it runs', async () => {
    const { got, consumer } = collect();
    await emit(database.db.pool, 'a', 1, 2, 3);
    start(consumer);
    await until(() => got.length === 3);
    const { rows } = await database.db.pool.query<{ id: string }>(
      `select event_id id from ms_event where payload = '2'`,
    );
    expect(await putCursor(database.db, 'one', positionBefore(BigInt(rows[0]!.id)))).toBe(true);
    await until(() => got.length === 5);
    expect(got).toEqual([1, 2, 3, 2, 3]);
    expect(await putCursor(database.db, 'nobody', positionBefore(0n))).toBe(false);
  });
});
