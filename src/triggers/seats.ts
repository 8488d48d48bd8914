// Places for callers who wait for a flow's answer: so many a hook, and so many a process. Used by hooks.ts.
import { UmbelError } from '../errors.ts';

export interface Seats {
  /** Errors: `HOOK_BUSY`. */
  requireFree: (flow: string, most: number) => void;
  /** Gives how to give it back. Errors: `HOOK_BUSY`. */
  take: (flow: string, most: number) => () => void;
  count: () => number;
}

/** Of all hooks together. */
const MOST = 10_000;

export function makeSeats(mostOfAll = MOST): Seats {
  const taken = new Map<string, number>();
  let all = 0;

  function requireFree(flow: string, most: number): void {
    if ((taken.get(flow) ?? 0) >= most || all >= mostOfAll) throw new UmbelError('HOOK_BUSY', {});
  }

  return {
    requireFree,
    take(flow, most) {
      requireFree(flow, most);
      taken.set(flow, (taken.get(flow) ?? 0) + 1);
      all += 1;
      let given = false;
      return () => {
        if (given) return;
        given = true;
        all -= 1;
        const left = (taken.get(flow) ?? 1) - 1;
        if (left === 0) taken.delete(flow);
        else taken.set(flow, left);
      };
    },
    count: () => all,
  };
}
