import { describe, expect, test } from 'vitest';
import type { Claimed } from '../../../src/sql/advance.ts';
import type { Ended } from '../../../src/sql/ended.ts';
import {
  begin,
  collect,
  countQueued,
  dequeue,
  end,
  enqueue,
  forget,
  isOverdue,
  letGo,
  listClosed,
  listKnown,
  makeHoldings,
  restore,
  take,
  takeUnbegun,
  type Collected,
  type Holdings,
} from '../../../src/watcher/holdings.ts';
import type { Prepared } from '../../../src/watcher/prepare.ts';
import { makeStop } from '../../../src/watcher/stop.ts';

const prepared = { program: 'empty', step: '1', input: null } as Partial<Prepared> as Prepared;

function claimed(seq: string, priority = 0): Claimed {
  return {
    flow: 'f',
    seq,
    taskId: 't',
    taskSeq: seq,
    priority,
    attempt: 1,
    parameters: '{}',
    version: null,
    input: null,
    depends: [],
    handedOver: false,
  } as Partial<Claimed> as Claimed;
}

const record = (seq: string) =>
  ({
    flow: 'f',
    seq,
    attempt: 1,
    status: 'finished',
    age: 1,
    result: null,
    error: null,
  }) as Partial<Ended> as Ended;

const seqsOf = ({ unrecorded }: Collected) => unrecorded.map(({ record: { seq } }) => seq);

/** One batch of tasks `[seq, priority]`, looked up and queued. */
function hold(held: Holdings, no: number, tasks: [seq: string, priority?: number][], at = 0): void {
  take(
    held,
    no,
    tasks.map(([seq, priority]) => claimed(seq, priority)),
    at,
  );
  for (const holding of held.unprepared) enqueue(held, holding, prepared);
}

const beginNext = (held: Holdings) => {
  const holding = dequeue(held)!;
  begin(held, holding, makeStop(), 0);
  return holding;
};

describe('the queue', () => {
  test('gives the most urgent first, and of equals the first that came', () => {
    const held = makeHoldings();
    hold(held, 1, [
      ['a', 0],
      ['b', 0],
      ['c', 5],
    ]);
    hold(held, 2, [
      ['d', -3],
      ['e', 0],
      ['f', 19],
    ]);
    const order = [];
    for (let next = dequeue(held); next; next = dequeue(held)) order.push(next.task.seq);
    expect(order.join('')).toBe('dabecf');
  });

  test('sorts nothing in before what has begun', () => {
    const held = makeHoldings();
    hold(held, 1, [
      ['a', 5],
      ['b', 5],
    ]);
    expect(dequeue(held)?.task.seq).toBe('a');
    hold(held, 2, [['c', -20]]);
    expect([dequeue(held)?.task.seq, dequeue(held)?.task.seq, dequeue(held)]).toEqual(['c', 'b', undefined]);
  });

  test('counts what is looked up still, and takes in nothing that went back meanwhile', () => {
    const held = makeHoldings();
    take(held, 1, [claimed('a'), claimed('b')], 0);
    const [first, second] = [...held.unprepared];
    enqueue(held, first!, prepared);
    expect(countQueued(held)).toBe(2);
    expect(takeUnbegun(held).map(({ task }) => task.seq)).toEqual(['a', 'b']);
    enqueue(held, second!, prepared);
    expect([countQueued(held), dequeue(held)]).toEqual([0, undefined]);
  });

  test('is overdue once its next task has waited for so long', () => {
    const held = makeHoldings();
    expect(isOverdue(held, 1_000)).toBe(false);
    hold(held, 1, [['a']], 500);
    expect([isOverdue(held, 500), isOverdue(held, 501)]).toEqual([false, true]);
    beginNext(held);
    expect(isOverdue(held, 1_000)).toBe(false);
  });
});

describe('a batch', () => {
  test('is closed by the call that records the last of its tasks, when the others were let go', () => {
    const held = makeHoldings();
    hold(held, 7, [['a'], ['b'], ['c']]);
    end(held, beginNext(held), record('a'));
    letGo(held, beginNext(held));
    expect(held.closed).toEqual([]);
    const [last] = takeUnbegun(held);
    expect(held.closed).toEqual([]);
    letGo(held, last!);
    expect(held.closed).toEqual([]);
    expect(listClosed(collect(held, 10))).toEqual([7]);
  });
});

describe('what is recorded', () => {
  test('goes in the order in which it ended, at most so many, and comes back before what ended since', () => {
    const held = makeHoldings();
    hold(held, 1, [['a'], ['b'], ['c']]);
    for (const seq of ['a', 'b']) end(held, beginNext(held), record(seq));
    const collected = collect(held, 1);
    expect([seqsOf(collected), listClosed(collected)]).toEqual([['a'], []]);
    end(held, beginNext(held), record('c'));
    restore(held, collected);
    const all = collect(held, 10);
    expect([seqsOf(all), listClosed(all)]).toEqual([['a', 'b', 'c'], [1]]);
    expect([held.ended, held.closed]).toEqual([[], []]);
  });

  test('is known to be held until then, as are running and waiting tasks', () => {
    const held = makeHoldings();
    hold(held, 1, [['a'], ['b'], ['c']]);
    take(held, 2, [claimed('d')], 0);
    end(held, beginNext(held), record('a'));
    beginNext(held);
    expect(
      listKnown(held)
        .map(({ seq }) => seq)
        .toSorted(),
    ).toEqual(['a', 'b', 'c', 'd']);
  });

  test('is forgotten with all that waits when it belongs to others', () => {
    const held = makeHoldings();
    hold(held, 1, [['a'], ['b']]);
    hold(held, 2, [['c']]);
    end(held, beginNext(held), record('a'));
    const running = beginNext(held);
    forget(held);
    expect(listKnown(held).map(({ seq }) => seq)).toEqual(['b']);
    letGo(held, running);
    expect([held.running.size, seqsOf(collect(held, 10))]).toEqual([0, []]);
  });
});
