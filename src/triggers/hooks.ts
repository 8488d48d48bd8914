// The webhooks of a register server: which are open, who may call them, and what a call comes to. Made by cmd/, called by
// http/routes/hooks.ts in the order of this interface, and told by the life cycle when a flow stops.
import { UmbelError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Execute } from '../registrar/execute.ts';
import type { ExecutionEnd } from '../sql/ends.ts';
import type { HookReply, HookStanding } from '../sql/hook-replies.ts';
import { makeHookAnswers, type HookAnswers } from './hook-answers.ts';
import { makeAuthenticate, type Authenticate, type AuthenticateDeps } from './hook-authentication.ts';
import { makeHookRates, type HookRates, type HookRatesDeps, type Rate } from './hook-rates.ts';
import { makeStart, type Start, type StartDeps } from './hook-start.ts';
import { makeOpenHooks, type Hook, type OpenHook, type OpenHooks, type OpenHooksDeps } from './open-hooks.ts';
import { makeSeats } from './seats.ts';

export interface Hooks {
  /** Undefined: it must be read. Errors: `HOOK_UNUSABLE`. */
  known: (flow: string) => Hook | undefined;
  /** Errors: `HOOK_CLOSED`, `HOOK_UNUSABLE`. */
  read: (flow: string) => Promise<Hook>;
  /** Before anything of the body is read. Errors: `HOOK_RATE`, `HOOK_BUSY`. */
  admit: (hook: Hook) => void;
  /** Errors: `HOOK_SIGNATURE`, `HOOK_UNUSABLE`. */
  authenticate: Authenticate;
  /** A place for somebody who waits, to be given back. Errors: `HOOK_BUSY`. */
  seat: (hook: Hook) => () => void;
  /** Registers an execution with this message as its input. Errors: `HOOK_RATE`, `HOOK_REPLAYED`, those of registering. */
  start: Start;
  /** What the flow answers; null: not in time, or nobody waits any more. */
  waitForAnswer: (hook: Hook, execution: string, signal: AbortSignal) => Promise<HookAnswer | null>;
  /** The flow was stopped or changed: its hook is read again before the next call. */
  forget: (flow: string) => void;
  /** Something happened to these executions. */
  hear: HookAnswers['hear'];
  /** Counts what a call came to. */
  count: (outcome: string) => void;
  look: () => HooksState;
  /** Begins to hold what is kept in memory against the database; gives how to end it. */
  keepUp: () => () => void;
}

export type HookAnswer = { reply: HookReply } | { end: ExecutionEnd };

/** How the webhooks of this process stand. */
export interface HooksState {
  kept: number;
  waiters: number;
  outcomes: Readonly<Record<string, number>>;
}

export interface HooksDeps
  extends OpenHooksDeps, Pick<HookRatesDeps, 'addHookCalls'>, StartDeps, AuthenticateDeps {
  dropOldHookCalls: () => Promise<void>;
  readStandings: (executions: string[]) => Promise<(HookStanding | null)[]>;
  waitForEnd: Execute['waitForEnd'];
  log: Pick<Logger, 'warn' | 'debug'>;
}

export function makeHooks(deps: HooksDeps): Hooks {
  const open = makeOpenHooks(deps);
  const rates = makeHookRates(deps);
  const seats = makeSeats();
  const answers = makeHookAnswers(deps.readStandings);
  const outcomes: Record<string, number> = {};
  return {
    ...findUsable(open, deps.log),
    admit(hook) {
      refuseOver(hook, rates.waitFor);
      if (hook.settings.sync) seats.requireFree(hook.flow, hook.settings.maxWaiters);
    },
    authenticate: makeAuthenticate(deps),
    seat: ({ flow, settings }) => seats.take(flow, settings.maxWaiters),
    start: makeStart(deps, (hook) => refuseOver(hook, rates.take)),
    waitForAnswer: makeWaitForAnswer(answers, deps.waitForEnd),
    forget: open.forget,
    hear: answers.hear,
    count(outcome) {
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    },
    look: () => ({ kept: open.count(), waiters: seats.count(), outcomes }),
    keepUp: () => keepUp(open, rates, deps),
  };
}

function findUsable(open: OpenHooks, log: HooksDeps['log']): Pick<Hooks, 'known' | 'read'> {
  const requireUsable = (hook: OpenHook): Hook => {
    const { flow, settings } = hook;
    if (!Array.isArray(settings)) return hook as Hook;
    log.warn({ flow, problems: settings }, 'a hook was called whose settings are not valid');
    throw new UmbelError('HOOK_UNUSABLE', { flow });
  };
  return {
    known(flow) {
      const hook = open.known(flow);
      return hook && requireUsable(hook);
    },
    async read(flow) {
      const hook = await open.read(flow);
      if (hook === undefined) throw new UmbelError('HOOK_CLOSED', { flow });
      return requireUsable(hook);
    },
  };
}

function refuseOver({ flow, settings: { rate } }: Hook, ask: (flow: string, rate: Rate) => number): void {
  const wait = rate === null ? 0 : ask(flow, rate);
  if (wait > 0) throw new UmbelError('HOOK_RATE', { seconds: Math.ceil(wait / 1000) });
}

function makeWaitForAnswer(answers: HookAnswers, waitForEnd: Execute['waitForEnd']): Hooks['waitForAnswer'] {
  return async ({ settings }, execution, signal) => {
    const standing = await answers.wait(execution, settings.timeout, signal);
    if (standing === null) return null;
    if (standing.reply !== null) return { reply: standing.reply };
    const end = await waitForEnd(execution, 0, signal);
    return end === null ? null : { end };
  };
}

/** Milliseconds between two looks at the open hooks, and between two sweeps of what is too old. */
const CHECK = 400;
const SWEEP = 60_000;

function keepUp(open: OpenHooks, rates: HookRates, { dropOldHookCalls, log }: HooksDeps): () => void {
  const stops = [
    repeat(CHECK, () => Promise.all([open.check(), rates.sync()])),
    repeat(SWEEP, () =>
      dropOldHookCalls().catch((error: unknown) => log.debug({ err: error }, 'sweep put off')),
    ),
  ];
  return () => stops.forEach((stop) => stop());
}

/** Does the work every so many milliseconds, one at a time. */
function repeat(ms: number, work: () => Promise<unknown>): () => void {
  let busy = false;
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    void work().finally(() => (busy = false));
  }, ms);
  timer.unref();
  return () => clearInterval(timer);
}
