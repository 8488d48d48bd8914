// Limits of more than one attempt: until a task begins (`queue`), and until it has ended, however many attempts it makes and waits in
// between (`total`). Called by prepare.ts and begin.ts; steps that limit neither pay nothing.
import { parseDuration } from '../dag/duration.ts';
import type { TaskError } from '../dag/outcome.ts';
import type { JsonObject } from '../dag/vocabulary.ts';
import type { Registry } from '../programs/registry.ts';
import type { Claimed } from '../sql/advance.ts';
import type { Database } from '../sql/database.ts';
import { readSpent } from '../sql/times.ts';
import type { Holding } from './holdings.ts';
import type { RanOutcome, StartOutcome } from './ran.ts';
import type { Limits } from './run.ts';
import { limitsOf, type Verdict } from './verdict.ts';

export interface Times {
  /** When it must have ended, on the clock of performance.now(); undefined: no limit. */
  until: number | undefined;
  /** Why it may not begin any more. */
  late: string | undefined;
}

/** Of the tasks that limit more than an attempt. */
export async function readTimes(
  db: Database,
  tasks: Claimed[],
  steps: { options: JsonObject | null }[],
): Promise<Map<Claimed, Times>> {
  const limited = tasks.flatMap((task, at) => {
    const limits = readLimits(steps[at]!.options);
    return limits === undefined ? [] : [{ task, ...limits }];
  });
  if (limited.length === 0) return new Map();
  const now = performance.now();
  const spent = await readSpent(
    db,
    limited.map(({ task, total }) => ({ ...task, total: total ?? null })),
  );
  const byKey = new Map(spent.map((one) => [`${one.seq} ${one.flow}`, one]));
  return new Map(
    limited.map(({ task, queue, total }) => {
      const { waited = null, left = null } = byKey.get(`${task.seq} ${task.flow}`) ?? {};
      return [task, { until: left === null ? undefined : now + left, late: findLate() }] as const;

      function findLate(): string | undefined {
        if (queue !== undefined && waited !== null && waited > queue)
          return `it did not begin within ${queue} ms`;
        return left !== null && left <= 0 ? `it did not end within ${total} ms` : undefined;
      }
    }),
  );
}

/** undefined: neither is limited. */
function readLimits(
  options: JsonObject | null,
): { queue: number | undefined; total: number | undefined } | undefined {
  const timeout = options?.['timeout'];
  if (typeof timeout !== 'object' || timeout === null || Array.isArray(timeout)) return undefined;
  const queue = parseDuration(timeout['queue']) || undefined;
  const total = parseDuration(timeout['total']) || undefined;
  return queue === undefined && total === undefined ? undefined : { queue, total };
}

/** Runs an attempt within what is left of the time, or not at all when nothing is. */
export function runInTime(
  { prepared }: Holding,
  registry: Registry,
  run: (limits: Limits) => Promise<RanOutcome | StartOutcome>,
): Promise<RanOutcome | StartOutcome> {
  const limits = limitsOf(prepared?.options ?? null);
  // A fallback runs after all that is limited.
  const times = prepared?.falling ? undefined : prepared?.times;
  if (times === undefined) return run(limits);
  if (times.late !== undefined) return Promise.resolve(timeOut(times.late));
  if (times.until === undefined) return run(limits);
  const usual =
    limits.timeout === undefined ? registry.get(prepared!.program ?? '')?.timeout : limits.timeout;
  return run({ ...limits, timeout: Math.ceil(Math.min(usual ?? Infinity, leftOf(times.until))) });
}

/** Nothing is waited for longer than the time that is left, and what could only be tried again after it is not. */
export function judgeInTime(
  outcome: RanOutcome,
  { prepared }: Holding,
  judge: (outcome: RanOutcome) => Verdict | Promise<Verdict>,
): Verdict | Promise<Verdict> {
  const verdict = judge(outcome);
  const until = prepared?.falling ? undefined : prepared?.times?.until;
  if (until === undefined || verdict instanceof Promise) return verdict;
  const left = leftOf(until);
  if (verdict.kind === 'sleep') return { ...verdict, delay: Math.min(verdict.delay, left) };
  if (verdict.kind === 'wait') return { ...verdict, timeout: Math.min(verdict.timeout ?? Infinity, left) };
  const isInVain = verdict.kind === 'retry' && verdict.delay >= left && outcome.kind === 'failed';
  return isInVain ? judge({ ...outcome, retryable: false }) : verdict;
}

const leftOf = (until: number) => Math.max(1, until - performance.now());

function timeOut(message: string): RanOutcome {
  const error: TaskError = { name: 'TimeoutError', message };
  return { kind: 'failed', error, retryable: false };
}
