// Waiting for what a flow answers its caller: the reply of hook.reply, or its end. Asks again and again, ever more slowly, all who wait with
// one statement; whoever hears of an execution wakes those who wait for it. Used by hooks.ts.
import { makeBatcher } from '../registrar/batch.ts';
import { judgeFailure, nameFailure } from '../registrar/failure.ts';
import type { HookStanding } from '../sql/hook-replies.ts';

export interface HookAnswers {
  /** How it stands once it has replied or ended; null when `budget` ms are over before, or `signal` aborts. */
  wait: (execution: string, budget: number, signal: AbortSignal) => Promise<HookStanding | null>;
  /** Something happened to these executions. */
  hear: (executions: Iterable<string>) => void;
}

/** Milliseconds between looks: at least, at most, and as a share of the time that was waited. */
const LOOKS = { least: 3, most: 250, share: 0.25 };

interface Bell {
  /** It rang since the last rest. */
  rung: boolean;
  ring: () => void;
  /** Resolves after `ms`, or when it rings. */
  rest: (ms: number) => Promise<void>;
}

export function makeHookAnswers(
  readStandings: (executions: string[]) => Promise<(HookStanding | null)[]>,
): HookAnswers {
  const bells = new Map<string, Set<Bell>>();
  const look = makeBatcher({
    run: (executions: string[]) => nameFailure(readStandings(executions)),
    judge: judgeFailure,
  });

  async function lookOut(execution: string, budget: number, signal: AbortSignal, bell: Bell) {
    const began = performance.now();
    while (!signal.aborted) {
      const standing = await look(execution, execution.length);
      if (standing !== null && (standing.ended || standing.reply !== null)) return standing;
      const waited = performance.now() - began;
      if (waited >= budget) return null;
      const pause = Math.min(Math.max(LOOKS.least, waited * LOOKS.share), LOOKS.most);
      await bell.rest(Math.min(pause, budget - waited));
    }
    return null;
  }

  return {
    async wait(execution, budget, signal) {
      const bell = makeBell();
      const all = bells.get(execution) ?? new Set();
      bells.set(execution, all.add(bell));
      signal.addEventListener('abort', bell.ring);
      try {
        return await lookOut(execution, budget, signal, bell);
      } finally {
        signal.removeEventListener('abort', bell.ring);
        all.delete(bell);
        if (all.size === 0) bells.delete(execution);
      }
    },
    hear(executions) {
      if (bells.size === 0) return;
      for (const execution of executions) for (const bell of bells.get(execution) ?? []) bell.ring();
    },
  };
}

function makeBell(): Bell {
  let wake: (() => void) | undefined;
  const bell: Bell = {
    rung: false,
    ring() {
      bell.rung = true;
      wake?.();
    },
    async rest(ms) {
      if (!bell.rung) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      bell.rung = false;
    },
  };
  return bell;
}
