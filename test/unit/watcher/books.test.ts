// When the books may forget a batch: not before the last of its tasks is recorded, or a crash would leave it Running for ever.
import { expect, test } from 'vitest';
import type { Claimed } from '../../../src/sql/advance.ts';
import type { Ended } from '../../../src/sql/ended.ts';
import {
  begin,
  collect,
  confirm,
  countUnrecorded,
  dequeue,
  disown,
  end,
  enqueue,
  forget,
  giveUp,
  type Holding,
  listClosed,
  listKnown,
  makeHoldings,
  restore,
  take,
} from '../../../src/watcher/holdings.ts';
import { makeStop } from '../../../src/watcher/stop.ts';

/** Tasks of batch 7 whose programs run. */
function run(count: number) {
  const held = makeHoldings();
  const tasks = Array.from(
    { length: count },
    (_, n) => ({ flow: 'x', seq: `${n + 1}`, attempt: 1 }) as Claimed,
  );
  take(held, 7, tasks, 0);
  const holdings = [...held.unprepared];
  for (const holding of holdings) enqueue(held, holding, {} as Holding['prepared'] & object);
  for (const holding of holdings) begin(held, dequeue(held) ?? holding, makeStop(), 0);
  const finish = (holding: Holding) =>
    end(held, holding, { flow: 'x', seq: holding.task.seq, attempt: 1 } as Ended);
  return { held, holdings, finish };
}

test('a batch is closed by the call that records the last of it', () => {
  const { held, holdings, finish } = run(2);
  finish(holdings[0]!);
  const first = collect(held, 10);
  expect(listClosed(first)).toEqual([]);
  confirm(held, first, []);
  finish(holdings[1]!);
  const second = collect(held, 10);
  expect(listClosed(second)).toEqual([7]);
  confirm(held, second, [7]);
  expect(held.closed).toEqual([]);
});

test('what does not fit into a call keeps its batch open', () => {
  const { held, holdings, finish } = run(3);
  holdings.forEach(finish);
  expect(listClosed(collect(held, 2))).toEqual([]);
});

test('of two calls under way neither closes a batch that they end between them; the next one does', () => {
  const { held, holdings, finish } = run(2);
  finish(holdings[0]!);
  const first = collect(held, 10);
  finish(holdings[1]!);
  const second = collect(held, 10);
  expect([listClosed(first), listClosed(second)]).toEqual([[], []]);
  confirm(held, second, []);
  confirm(held, first, []);
  expect(listClosed(collect(held, 10))).toEqual([7]);
});

test('a call that failed closes nothing and is collected again', () => {
  const { held, holdings, finish } = run(1);
  finish(holdings[0]!);
  restore(held, collect(held, 10));
  expect(countUnrecorded(held)).toBe(1);
  expect(listClosed(collect(held, 10))).toEqual([7]);
});

test('what is stopped to be handed back is still known, and its batch stays open', () => {
  const { held, holdings } = run(1);
  giveUp(held, holdings[0]!);
  expect(listKnown(held).map(({ seq }) => seq)).toEqual(['1']);
  expect(listClosed(collect(held, 10))).toEqual([]);
});

test('what belongs to others closes nothing, whatever becomes of it here', () => {
  const { held, holdings, finish } = run(2);
  finish(holdings[0]!);
  forget(held);
  disown(held, holdings[1]!);
  expect([countUnrecorded(held), listKnown(held)]).toEqual([0, []]);
  expect(listClosed(collect(held, 10))).toEqual([]);
});
