import { expect, test } from 'vitest';
import type { Claimed } from '../../../src/sql/advance.ts';
import {
  begin,
  dequeue,
  drop,
  enqueue,
  type Holding,
  listHeld,
  makeHoldings,
  take,
} from '../../../src/watcher/holdings.ts';
import { makeStop } from '../../../src/watcher/stop.ts';

/** Five tasks of one batch: the first runs, the second to fourth are queued, the fifth is not prepared. */
function hold() {
  const held = makeHoldings();
  take(
    held,
    7,
    Array.from({ length: 5 }, (_, n) => ({ flow: 'x', seq: `${n + 1}` }) as Claimed),
    0,
  );
  const holdings = [...held.unprepared];
  for (const holding of holdings.slice(0, 4)) enqueue(held, holding, {} as Holding['prepared'] & object);
  begin(held, dequeue(held)!, makeStop(), 0);
  return { held, holdings };
}
const seqs = (holdings: Holding[]) => holdings.map(({ task }) => task.seq);

test('one that was taken away before it began never begins, and the others keep their order', () => {
  const { held, holdings } = hold();
  expect(seqs(listHeld(held))).toEqual(['1', '2', '3', '4', '5']);
  expect(drop(held, holdings[2]!)).toBe(true);
  expect(drop(held, holdings[4]!)).toBe(true);
  expect(seqs([dequeue(held)!, dequeue(held)!])).toEqual(['2', '4']);
  expect(dequeue(held)).toBeUndefined();
});

test('one that runs, or is not held any more, is left alone', () => {
  const { held, holdings } = hold();
  drop(held, holdings[2]!);
  expect([drop(held, holdings[0]!), drop(held, holdings[2]!)]).toEqual([false, false]);
  expect(held.running.size).toBe(1);
});

test('the last of a batch closes it', () => {
  const { held, holdings } = hold();
  for (const holding of holdings.slice(1)) drop(held, holding);
  expect(held.closed).toEqual([]);
  const { held: other, holdings: all } = hold();
  other.running.clear();
  all[0]!.batch.open -= 1;
  for (const holding of all.slice(1)) drop(other, holding);
  expect(other.closed).toEqual([7]);
});
