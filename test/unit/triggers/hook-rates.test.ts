import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { HookCalls, HookTotals } from '../../../src/sql/hooks.ts';
import { makeHookRates, waitOf } from '../../../src/triggers/hook-rates.ts';

const rate = { limit: 10, per: 1_000 };

/** The table, in memory. */
function makeTable() {
  const rows = new Map<string, number>();
  const keyOf = (flow: string, per: number, window: number) => `${flow} ${per} ${window}`;
  return async (calls: HookCalls[]): Promise<HookTotals[]> =>
    calls.map(({ flow, per, window, calls: more }) => {
      const total = (rows.get(keyOf(flow, per, window)) ?? 0) + more;
      rows.set(keyOf(flow, per, window), total);
      return { flow, per, window, total, before: rows.get(keyOf(flow, per, window - 1)) ?? 0 };
    });
}

describe('a rate', () => {
  it('takes its limit at once, and says when the next call is taken', () => {
    let now = 10_000;
    const rates = makeHookRates({ addHookCalls: makeTable(), now: () => now });
    const taken = Array.from({ length: 12 }, () => rates.take('a', rate)).filter((wait) => wait === 0);
    expect(taken).toHaveLength(10);
    const wait = rates.waitFor('a', rate);
    expect(rates.take('b', rate)).toBe(0);
    now += wait - 1;
    expect(rates.waitFor('a', rate)).toBeGreaterThan(0);
    now += 1;
    expect(rates.take('a', rate)).toBe(0);
  });

  it('says a wait after which a call is taken, and before which none is', () => {
    const counts = fc.record({
      total: fc.nat(30),
      before: fc.nat(30),
      into: fc.nat(999),
      limit: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(counts, ({ total, before, into, limit }) => {
        const one = { limit, per: 1_000 };
        const wait = waitOf({ window: 0, total, before }, one, into);
        const at = (now: number) =>
          now < 1_000
            ? waitOf({ window: 0, total, before }, one, now)
            : waitOf({ window: 1, total: 0, before: now < 2_000 ? total : 0 }, one, Math.min(now, 1_999));
        expect(at(into + wait)).toBe(0);
        if (wait > 1) expect(at(into + wait - 2)).toBeGreaterThan(0);
      }),
    );
  });

  it('never takes more than its limit within a period that begins with a window', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 200 }), { maxLength: 200 }), (pauses) => {
        let now = 0;
        const rates = makeHookRates({ addHookCalls: makeTable(), now: () => now });
        const taken = new Map<number, number>();
        for (const pause of pauses) {
          now += pause;
          const window = Math.floor(now / rate.per);
          if (rates.take('a', rate) === 0) taken.set(window, (taken.get(window) ?? 0) + 1);
        }
        expect(Math.max(0, ...taken.values())).toBeLessThanOrEqual(rate.limit);
      }),
    );
  });

  it('holds over all processes once they have added up', async () => {
    const table = makeTable();
    const processes = Array.from({ length: 3 }, () =>
      makeHookRates({ addHookCalls: table, now: () => 10_000 }),
    );
    const take = () => processes.filter((rates) => rates.take('a', rate) === 0).length;
    let taken = 0;
    for (let round = 0; round < 20; round += 1) {
      taken += take();
      for (const rates of processes) await rates.sync();
    }
    expect(taken).toBe(12);
  });

  it('loses no calls when they cannot be added up for a while', async () => {
    const table = makeTable();
    let away = true;
    const flaky = (calls: HookCalls[]) => (away ? Promise.reject(new Error('away')) : table(calls));
    const [one, other] = [flaky, table].map((addHookCalls) =>
      makeHookRates({ addHookCalls, now: () => 10_000 }),
    );
    for (let at = 0; at < 10; at += 1) one!.take('a', rate);
    await one!.sync();
    away = false;
    await one!.sync();
    other!.waitFor('a', rate);
    await other!.sync();
    expect(other!.take('a', rate)).toBeGreaterThan(0);
  });
});
