// How many calls a hook with a rate may still take. Each process counts its own and adds them up in the database several times a second, so
// that all together go over a limit by no more than what the others took since. The window slides: the calls of the one before count by
// the part of it that still lies within the period. Used by hooks.ts.
import type { HookCalls, HookTotals } from '../sql/hooks.ts';

export interface Rate {
  limit: number;
  /** Milliseconds. */
  per: number;
}

export interface HookRates {
  /** Milliseconds until a call would be taken; 0: now. Counts nothing. */
  waitFor: (flow: string, rate: Rate) => number;
  /** Counts a call and answers 0, or answers as `waitFor`. */
  take: (flow: string, rate: Rate) => number;
  /** Adds what was counted to what the other processes counted. Never rejects. */
  sync: () => Promise<void>;
}

export interface HookRatesDeps {
  addHookCalls: (calls: HookCalls[]) => Promise<HookTotals[]>;
  now?: () => number;
}

interface Count {
  flow: string;
  per: number;
  window: number;
  /** In the window, of all processes as far as known. */
  total: number;
  /** Of those, what the database does not know yet. */
  unsaid: number;
  /** In the window before. */
  before: number;
  /** Somebody asked since the last time it was added up. */
  asked: boolean;
}

export function makeHookRates({ addHookCalls, now = Date.now }: HookRatesDeps): HookRates {
  const counts = new Map<string, Count>();

  function countOf(flow: string, per: number): Count {
    const window = Math.floor(now() / per);
    const found = counts.get(flow);
    if (found?.per === per && found.window === window) return found;
    const before = found?.per === per && found.window === window - 1 ? found.total : 0;
    const count = { flow, per, window, total: 0, unsaid: 0, before, asked: true };
    counts.set(flow, count);
    return count;
  }

  function waitFor(flow: string, rate: Rate): number {
    const count = countOf(flow, rate.per);
    count.asked = true;
    return waitOf(count, rate, now());
  }

  return {
    waitFor,
    take(flow, rate) {
      const wait = waitFor(flow, rate);
      if (wait > 0) return wait;
      const count = countOf(flow, rate.per);
      count.total += 1;
      count.unsaid += 1;
      return 0;
    },
    async sync() {
      for (const [flow, { window, per }] of counts)
        if (Math.floor(now() / per) > window + 1) counts.delete(flow);
      const asked = [...counts.values()].filter((count) => count.asked);
      if (asked.length > 0) await addUp(addHookCalls, asked);
    },
  };
}

/** Milliseconds until the calls of the last period are fewer than the limit. */
export function waitOf(
  { window, total, before }: Pick<Count, 'window' | 'total' | 'before'>,
  { limit, per }: Rate,
  now: number,
): number {
  const into = now - window * per;
  if (before * (1 - into / per) + total < limit) return 0;
  // Within this window the ones before fade; if its own are too many, they fade in the next.
  const ends = total < limit ? per * (1 - (limit - total) / before) : per + per * (1 - limit / total);
  return Math.max(1, Math.floor(ends - into) + 1);
}

async function addUp(addHookCalls: HookRatesDeps['addHookCalls'], asked: Count[]): Promise<void> {
  const said = asked.map(({ flow, per, window, unsaid }) => ({ flow, per, window, calls: unsaid }));
  for (const count of asked) count.asked = false;
  const totals = await addHookCalls(said).catch(() => undefined);
  if (totals === undefined) {
    for (const count of asked) count.asked = true;
    return;
  }
  const known = new Map(totals.map((one) => [one.flow, one]));
  for (const [at, count] of asked.entries()) {
    const { total = 0, before = 0 } = known.get(count.flow) ?? {};
    count.unsaid -= said[at]!.calls;
    count.total = total + count.unsaid;
    count.before = before;
  }
}
