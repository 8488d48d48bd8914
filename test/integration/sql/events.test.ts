import * as fc from 'fast-check';
import type { PoolClient } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  addCursor,
  dropCursor,
  leaseCursor,
  listConsumers,
  moveCursor,
} from '../../../src/sql/event-cursors.ts';
import {
  type Event,
  findPosition,
  type Position,
  positionBefore,
  pruneEvents,
  readEvents,
  readPresent,
  rebaseEvents,
} from '../../../src/sql/events.ts';
import { createDatabase, servers, type TestDatabase } from '../../support/database.ts';
import { emit } from '../../support/events.ts';

const START = positionBefore(0n);

describe.each(servers())('on $name', ({ server }) => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase({ server });
  });
  afterAll(() => database.drop());
  beforeEach(() => database.db.pool.query('truncate ms_event, ms_event_cursor'));

  const read = (from: Position, most = 100, names: string[] | null = null) =>
    readEvents(database.db, { from, names, most, service: 'umbel' });
  /** All that there is after a position, page by page, and where it ends. */
  const readAll = async (from: Position, most = 100, names: string[] | null = null) => {
    const events: Event[] = [];
    for (let at = from; ;) {
      const page = await read(at, most, names);
      events.push(...page.events.map(({ event }) => event));
      at = page.end ?? at;
      if (!page.hasMore) return { events, at, numbers: events.map(({ payload }) => payload) };
    }
  };
  const begin = async (): Promise<PoolClient> => {
    const client = await database.db.pool.connect();
    await client.query('begin');
    return client;
  };
  const end = async (client: PoolClient, how: 'commit' | 'rollback' = 'commit') => {
    await client.query(how);
    client.release();
  };

  it('gives an event the form that others know, with its time and who it comes from', async () => {
    await emit(database.db.pool, 'flow.started', 7);
    const { events } = await readAll(START);
    expect(events).toEqual([
      {
        id: expect.stringMatching(/^\d+$/),
        headers: {
          name: 'flow.started',
          createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z$/),
          serviceName: 'umbel',
        },
        payload: 7,
        tenant: 'local',
      },
    ]);
  });

  it('does not lose what commits late, although what came after it was read before', async () => {
    const slow = await begin();
    await emit(slow, 'a', 1);
    await emit(database.db.pool, 'a', 2);
    const first = await readAll(START);
    expect(first.numbers).toEqual([2]);
    await emit(database.db.pool, 'a', 3);
    await end(slow);
    const second = await readAll(first.at);
    expect(second.numbers).toEqual([1, 3]);
    expect((await readAll(second.at)).numbers).toEqual([]);
  });

  it('waits for nobody: an open transaction holds back its own events alone', async () => {
    const slow = await begin();
    await emit(slow, 'a', 1);
    await emit(database.db.pool, 'a', 2);
    expect((await readAll(await readPresent(database.db))).numbers).toEqual([]);
    expect((await readAll(START)).numbers).toEqual([2]);
    await end(slow, 'rollback');
  });

  it('gives those that it is asked for, and a position behind the others', async () => {
    await emit(database.db.pool, 'flow.started', 1);
    await emit(database.db.pool, 'flowrepo.flow.created', 2);
    await emit(database.db.pool, 'execution.failed', 3);
    expect((await readAll(START, 2, ['flow.*'])).numbers).toEqual([1]);
    expect((await readAll(START, 2, ['*.created', 'execution.failed'])).numbers).toEqual([2, 3]);
    const { at } = await readAll(START, 2, ['nothing']);
    await emit(database.db.pool, 'nothing', 4);
    expect((await readAll(at, 2, ['nothing'])).numbers).toEqual([4]);
  });

  it('takes _ in a name for what it is', async () => {
    await emit(database.db.pool, 'a_b', 1);
    await emit(database.db.pool, 'axb', 2);
    expect((await readAll(START, 100, ['a_b'])).numbers).toEqual([1]);
  });

  it('begins at a time', async () => {
    await emit(database.db.pool, 'a', 1);
    await database.db.pool.query(`update ms_event set created_ts = created_ts - interval '1 hour'`);
    await emit(database.db.pool, 'a', 2);
    const at = await findPosition(database.db, new Date(Date.now() - 60_000));
    expect((await readAll(at)).numbers).toEqual([2]);
    const later = await findPosition(database.db, new Date(Date.now() + 60_000));
    expect((await readAll(later)).numbers).toEqual([]);
  });

  // Actors write, commit and roll back in turns; a reader with small pages looks in between.
  const script = fc.record({
    most: fc.integer({ min: 1, max: 4 }),
    moves: fc.array(
      fc.oneof(
        fc.record({ kind: fc.constantFrom('emit', 'emit', 'commit', 'rollback'), actor: fc.nat(3) }),
        fc.record({ kind: fc.constant('page'), actor: fc.constant(0) }),
      ),
      { maxLength: 40 },
    ),
  });

  it('gives each committed event once, and none before one that it could know of', async () => {
    await fc.assert(
      fc.asyncProperty(script, async ({ most, moves }) => {
        await database.db.pool.query('truncate ms_event');
        const world = await play(moves, most);
        expect([...world.got].sort((a, b) => a - b)).toEqual([...world.committed].sort((a, b) => a - b));
        for (const [number, known] of world.knew)
          for (const earlier of known)
            expect([earlier, number, world.got.indexOf(earlier) < world.got.indexOf(number)]).toEqual([
              earlier,
              number,
              true,
            ]);
      }),
      { numRuns: 150 },
    );
  });

  /** `knew`: of each committed event those that had been committed, or written by the same transaction, before it. */
  async function play(moves: { kind: string; actor: number }[], most: number) {
    const open = new Map<number, { client: PoolClient; wrote: number[] }>();
    const committed: number[] = [];
    const knowing = new Map<number, number[]>();
    const got: number[] = [];
    let position = await readPresent(database.db);
    let next = 0;
    const take = async () => {
      const page = await read(position, most);
      got.push(...page.events.map(({ event }) => Number(event.payload)));
      position = page.end ?? position;
      return page.hasMore;
    };
    const finish = async (actor: number, how: 'commit' | 'rollback') => {
      const one = open.get(actor);
      if (one === undefined) return;
      open.delete(actor);
      await end(one.client, how);
      if (how === 'commit') committed.push(...one.wrote);
    };
    for (const { kind, actor } of moves) {
      if (kind === 'page') await take();
      else if (kind === 'emit') {
        const one = open.get(actor) ?? { client: await begin(), wrote: [] };
        open.set(actor, one);
        next += 1;
        knowing.set(next, [...committed, ...one.wrote]);
        await emit(one.client, 'a', next);
        one.wrote.push(next);
      } else await finish(actor, kind as 'commit' | 'rollback');
    }
    for (const actor of open.keys()) await finish(actor, 'commit');
    while (await take());
    await take();
    return { got, committed, knew: new Map([...knowing].filter(([number]) => committed.includes(number))) };
  }

  it('loses nothing of those who write at the same time, each in a transaction of one statement', async () => {
    const writers = 6;
    const each = 500;
    const got: number[] = [];
    let position = await readPresent(database.db);
    let writing = true;
    const reading = (async () => {
      for (let last = false; !last;) {
        last = !writing;
        const page = await read(position, 50);
        got.push(...page.events.map(({ event }) => Number(event.payload)));
        position = page.end ?? position;
        if (page.hasMore) last = false;
      }
    })();
    const write = async (writer: number) => {
      for (let n = 0; n < each; n++)
        await database.db.pool.query(`insert into ms_event (name, payload) values ('a', to_jsonb($1::int))`, [
          writer * each + n,
        ]);
    };
    await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
    writing = false;
    await reading;
    expect(got.sort((a, b) => a - b)).toEqual(Array.from({ length: writers * each }, (_, n) => n));
  });

  describe('pruning', () => {
    const age = (hours: number) =>
      database.db.pool.query(`update ms_event set created_ts = now() - $1 * interval '1 hour'`, [hours]);
    const left = async () => (await readAll(START)).numbers;

    it('deletes what is old when nobody has to read it, and keeps what is young', async () => {
      await emit(database.db.pool, 'a', 1, 2, 3);
      await age(2);
      await emit(database.db.pool, 'a', 4);
      expect(await pruneEvents(database.db, { olderThan: 3_600_000 })).toBe(3);
      expect(await left()).toEqual([4]);
    });

    it('keeps what a consumer has not handled, however old, late commits included', async () => {
      const slow = await begin();
      await emit(slow, 'a', 1);
      await emit(database.db.pool, 'a', 2, 3);
      const { at } = await readAll(START);
      await addCursor(database.db, 'one', at);
      await end(slow);
      await emit(database.db.pool, 'a', 4);
      await age(2);
      expect(await pruneEvents(database.db, { olderThan: 3_600_000 })).toBe(2);
      expect(await left()).toEqual([1, 4]);
      await dropCursor(database.db, 'one');
      expect(await pruneEvents(database.db, { olderThan: 3_600_000 })).toBe(2);
    });

    it('keeps nothing for a consumer that began after it', async () => {
      await emit(database.db.pool, 'a', 1);
      await age(2);
      await addCursor(database.db, 'late', positionBefore(1_000_000n));
      expect(await pruneEvents(database.db, { olderThan: 3_600_000 })).toBe(1);
    });
  });

  describe('in a database restored from a dump', () => {
    /** As if other transactions had written it all: numbers far ahead of those that this server gives now. */
    const restore = () =>
      database.db.pool.query(
        `with e as (update ms_event set xid = (xid::text::bigint + 1000000000)::text::xid8)
         update ms_event_cursor c set seen = (select string_agg(coalesce((nullif(p, '')::bigint + 1000000000)::text, ''), ':') from regexp_split_to_table(c.seen::text, ':') p)::pg_snapshot`,
      );

    it('a consumer goes on with what it has not handled, and with what comes', async () => {
      await emit(database.db.pool, 'a', 1, 2);
      const { at } = await readAll(START);
      await addCursor(database.db, 'one', at);
      await emit(database.db.pool, 'a', 3);
      await restore();
      await emit(database.db.pool, 'a', 4);
      expect(await rebaseEvents(database.db)).toBe(true);
      const from = await leaseCursor(database.db, {
        consumer: 'one',
        holder: crypto.randomUUID(),
        lease: 1000,
      });
      expect((await readAll(from!)).numbers).toEqual([3, 4]);
      await emit(database.db.pool, 'a', 5);
      expect((await readAll(from!)).numbers).toEqual([3, 4, 5]);
      expect(await rebaseEvents(database.db)).toBe(false);
    });

    it('elsewhere nothing is changed', async () => {
      await emit(database.db.pool, 'a', 1);
      await addCursor(database.db, 'one', await readPresent(database.db));
      expect(await rebaseEvents(database.db)).toBe(false);
    });
  });

  describe('a cursor', () => {
    const [mine, yours] = [crypto.randomUUID(), crypto.randomUUID()];
    beforeEach(() => addCursor(database.db, 'one', START));
    const lease = (holder: string, ms = 60_000) =>
      leaseCursor(database.db, { consumer: 'one', holder, lease: ms });

    it('has one holder, until its lease is over', async () => {
      expect(await lease(mine)).toEqual(START);
      expect(await lease(yours)).toBe(null);
      expect(await lease(mine)).toEqual(START);
      await database.db.pool.query(`update ms_event_cursor set lease_until = now() - interval '1 ms'`);
      expect(await lease(yours)).toEqual(START);
      expect(await moveCursor(database.db.kysely, { consumer: 'one', holder: mine, to: START })).toBe(false);
    });

    it('says how far behind its consumer is', async () => {
      await emit(database.db.pool, 'a', 1, 2, 3);
      const [before] = await listConsumers(database.db);
      expect(before).toMatchObject({ consumer: 'one', behind: 3, isRead: false, failures: 0 });
      await lease(mine);
      const page = await read(START, 2);
      await moveCursor(database.db.kysely, { consumer: 'one', holder: mine, to: page.end! });
      expect(await listConsumers(database.db)).toMatchObject([{ behind: 1, isRead: true }]);
    });
  });
});
