import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { makeBatcher, type BatchLimits, type Verdict } from '../../../src/registrar/batch.ts';

/** A batcher over a statement that the test ends by hand, and that answers each item doubled. */
function makeHeld(limits: Partial<BatchLimits> = {}) {
  const batches: { items: number[]; end: () => void }[] = [];
  const add = makeBatcher<number, number>({
    run: (items) =>
      new Promise((resolve) => batches.push({ items, end: () => resolve(items.map((item) => item * 2)) })),
    judge: () => 'one',
    limits,
  });
  return { add: (item: number, bytes = 1) => add(item, bytes), batches };
}

/** A batcher over a statement that throws what the test says; remembers the batches that it was given. */
function makeFailing(fail: (items: number[], call: number) => Error | undefined, judge: () => Verdict) {
  const batches: number[][] = [];
  const add = makeBatcher<number, number>({
    run: async (items) => {
      batches.push(items);
      const error = fail(items, batches.length);
      if (error !== undefined) throw error;
      return items.map((item) => item * 2);
    },
    judge,
  });
  return { addAll: (items: number[]) => Promise.allSettled(items.map((item) => add(item, 1))), batches };
}

async function until(done: () => boolean): Promise<void> {
  for (let turn = 0; turn < 100 && !done(); turn += 1) await nextTurn();
}

const valuesOf = (settled: PromiseSettledResult<number>[]) =>
  settled.map((one) => (one.status === 'fulfilled' ? one.value : 'failed'));

describe('gathering', () => {
  it('puts what is asked for in one turn of the event loop into one statement', async () => {
    const { add, batches } = makeHeld();
    const answers = Promise.all([add(1), add(2), add(3)]);
    await nextTurn();
    expect(batches.map(({ items }) => items)).toEqual([[1, 2, 3]]);
    batches[0]?.end();
    expect(await answers).toEqual([2, 4, 6]);
  });

  it('lets what comes while all statements are under way wait for the next one', async () => {
    const { add, batches } = makeHeld({ inFlight: 1 });
    const first = add(1);
    await nextTurn();
    const later = [add(2)];
    await nextTurn();
    later.push(add(3));
    await nextTurn();
    expect(batches).toHaveLength(1);
    batches[0]?.end();
    expect(await first).toBe(2);
    await until(() => batches.length === 2);
    expect(batches[1]?.items).toEqual([2, 3]);
    batches[1]?.end();
    expect(await Promise.all(later)).toEqual([4, 6]);
  });

  it('starts a second statement beside the first, and no third', async () => {
    const { add, batches } = makeHeld({ inFlight: 2 });
    for (const item of [1, 2, 3]) {
      void add(item);
      await nextTurn();
    }
    expect(batches.map(({ items }) => items)).toEqual([[1], [2]]);
  });

  it('gives a statement at most so many items and bytes, and a larger item one of its own', async () => {
    const { add, batches } = makeHeld({ inFlight: 9, items: 2, bytes: 10 });
    for (const [item, bytes] of [
      [1, 1],
      [2, 1],
      [3, 6],
      [4, 6],
      [5, 99],
    ] as const) {
      void add(item, bytes);
    }
    await nextTurn();
    expect(batches.map(({ items }) => items)).toEqual([[1, 2], [3], [4], [5]]);
  });
});

describe('the bound on what waits', () => {
  it('refuses what comes when too many wait, and takes more once they are under way', async () => {
    const { add, batches } = makeHeld({ inFlight: 1, waiting: 2 });
    void add(1);
    await nextTurn();
    void add(2);
    void add(3);
    await expect(add(4)).rejects.toMatchObject({ code: 'QUEUE_FULL', status: 503 });
    batches[0]?.end();
    await until(() => batches.length === 2);
    void add(5);
    batches[1]?.end();
    await until(() => batches.length === 3);
    expect(batches.map(({ items }) => items)).toEqual([[1], [2, 3], [5]]);
  });

  it('refuses what would hold too many bytes in memory', async () => {
    const { add } = makeHeld({ waitingBytes: 10 });
    void add(1, 6);
    await expect(add(2, 6)).rejects.toMatchObject({ code: 'QUEUE_FULL' });
  });
});

describe('a statement that fails', () => {
  const poison = new Error('poison');

  it('is split until the one to blame stands alone, and all others succeed', async () => {
    const { addAll, batches } = makeFailing(
      (items) => (items.includes(13) ? poison : undefined),
      () => 'one',
    );
    const items = Array.from({ length: 32 }, (_, at) => at);
    const settled = await addAll(items);
    expect(valuesOf(settled)).toEqual(items.map((item) => (item === 13 ? 'failed' : item * 2)));
    expect(settled[13]).toMatchObject({ reason: poison });
    expect(batches.length).toBeLessThanOrEqual(11);
  });

  it('is run again as it is when it lost against another transaction', async () => {
    const { addAll, batches } = makeFailing(
      (_items, call) => (call < 3 ? new Error('deadlock') : undefined),
      () => 'again',
    );
    expect(valuesOf(await addAll([1, 2]))).toEqual([2, 4]);
    expect(batches).toEqual([
      [1, 2],
      [1, 2],
      [1, 2],
    ]);
  });

  it('is not run again for ever', async () => {
    const { addAll, batches } = makeFailing(
      () => new Error('deadlock'),
      () => 'again',
    );
    expect(valuesOf(await addAll([1, 2]))).toEqual(['failed', 'failed']);
    expect(batches).toHaveLength(5);
  });

  it('fails all of it, unsplit, when the database is away', async () => {
    const { addAll, batches } = makeFailing(
      () => new Error('away'),
      () => 'all',
    );
    expect(valuesOf(await addAll([1, 2, 3]))).toEqual(['failed', 'failed', 'failed']);
    expect(batches).toHaveLength(1);
  });

  it('leaves the batcher working', async () => {
    const { addAll } = makeFailing(
      (_items, call) => (call <= 2 ? poison : undefined),
      () => 'all',
    );
    await addAll([1]);
    await addAll([2]);
    expect(valuesOf(await addAll([3]))).toEqual([6]);
  });

  it('fails everybody when the answers do not fit the questions', async () => {
    const add = makeBatcher<number, number>({ run: async () => [1], judge: () => 'one' });
    const settled = await Promise.allSettled([add(1, 1), add(2, 1)]);
    expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });
});
