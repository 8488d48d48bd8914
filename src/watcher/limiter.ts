// Takes limited tasks: those with `concurrency` or `rate`, and those of executions that were started with a `concurrency`. Their keys are
// worked out here, then they are taken together with their slots. Beside the turns of the loop, and only where there are any.
import { setTimeout as sleep } from 'node:timers/promises';
import { limitedLane } from '../dag/vocabulary.ts';
import type { Claimed } from '../sql/advance.ts';
import type { Ended } from '../sql/ended.ts';
import { isLockTimeout, isRetryable } from '../sql/failures.ts';
import { findLimited, resetSlots, type TakeAnswer, type TakeCall, takeTasks } from '../sql/slots.ts';
import { countSlots, holdSlots, take } from './holdings.ts';
import { type Candidate, makeWorkOutKeys } from './keys.ts';
import { countFree, prepareTasks, type TurnDeps, type TurnState } from './turn.ts';

export interface Limiter {
  /** Something may be ready; asked for only where limited tasks were seen, unless it is told so. */
  ask: (surely: boolean) => void;
  /** Tasks were claimed and attempts recorded: what comes after them may be limited. */
  note: (claimed: Claimed[], ended: Ended[]) => void;
  isDue: (turns: TurnState) => boolean;
  /** One call, and what it brings. */
  fly: (turns: TurnState) => Promise<void>;
  stop: () => void;
}

interface State {
  /** Whether there is anything limited, as far as this watcher knows. */
  seen: boolean;
  asked: number;
  answered: number;
  /** Tasks whose keys are known, and that were not asked for yet. */
  candidates: Candidate[];
  /** Others wait for keys that have room. */
  waiting: boolean;
  /** The key from which to look on. */
  after: string;
  /** A call failed: what it took is not known here. */
  unsure: boolean;
  /** Number of the last call that brought something. */
  fed: number;
  versions: Set<string>;
  timer: NodeJS.Timeout | undefined;
}

/** Tasks shown besides those that could begin. */
const PEEK = 50;
const VERSIONS_KEPT = 10_000;
const TRIES = 10;

export function makeLimiter(deps: TurnDeps): Limiter {
  const workOutKeys = makeWorkOutKeys(deps.db);
  const state = freshState();
  return {
    ask(surely) {
      if (surely || state.seen) state.asked += 1;
    },
    note(claimed, ended) {
      if (state.seen) state.asked += ended.length > 0 ? 1 : 0;
      else void learnVersions(deps, state, claimed);
    },
    isDue: (turns) => isDue(deps, state, turns),
    async fly(turns) {
      const { asked } = state;
      const candidates = state.candidates.splice(0);
      const answer = await takeIn(deps, state, turns, candidates);
      const worked = await workOutKeys(answer.unworked);
      if (worked.length > 0) state.seen = true;
      // What somebody keeps locked is shown again and again: it is left to the next look.
      const isStuck = answer.claimed.length === 0 && worked.some((one) => isAmong(candidates, one));
      if (!isStuck) state.candidates = worked;
      if (state.candidates.length === 0) state.answered = asked;
      if (answer.claimed.length > 0) state.fed = turns.claim;
      turns.reserved = 0;
    },
    stop: () => clearTimeout(state.timer),
  };
}

function freshState(): State {
  const known = { candidates: [], versions: new Set<string>(), timer: undefined };
  return { ...known, seen: false, asked: 1, answered: 0, waiting: false, after: '', unsure: false, fed: 0 };
}

/** Without room it asks the turns to leave some, but not right after it had its share. */
function isDue(deps: TurnDeps, state: State, turns: TurnState): boolean {
  if (turns.closed) return false;
  if (deps.holdings.released.size > 0 || state.asked !== state.answered) {
    if (state.candidates.length === 0) return true;
  }
  if (state.candidates.length === 0 && !state.waiting) return false;
  if (countFree(deps, turns) > 0 || deps.holdings.released.size > 0) return true;
  if (turns.claim > state.fed) turns.reserved = Math.ceil(deps.workers / 2);
  return false;
}

async function takeIn(
  deps: TurnDeps,
  state: State,
  turns: TurnState,
  candidates: Candidate[],
): Promise<TakeAnswer> {
  const { db, pool, membership, holdings } = deps;
  const mine = countSlots(holdings);
  const released = [...holdings.released];
  holdings.released.clear();
  const want = Math.max(0, countFree(deps, turns));
  turns.claim += 1;
  const { id } = membership;
  const call: TakeCall = {
    watcher: id,
    pool,
    want,
    claim: turns.claim,
    mine,
    candidates,
    looks: state.asked !== state.answered || state.waiting,
    after: state.after,
    peek: want + PEEK,
  };
  turns.expected += want;
  try {
    if (state.unsure) await resetSlots(db, id, [...mine.keys()]);
    const answer = await takeWithRetry(deps, call);
    state.unsure = false;
    if (id === membership.id) await takeOver(deps, state, { ...call, candidates }, answer);
    return answer;
  } catch (error) {
    state.unsure = true;
    if (id === membership.id) for (const slot of released) holdings.released.add(slot);
    throw error;
  } finally {
    turns.expected -= want;
  }
}

type OwnCall = Omit<TakeCall, 'candidates'> & { candidates: Candidate[] };

async function takeOver(deps: TurnDeps, state: State, call: OwnCall, answer: TakeAnswer): Promise<void> {
  const { holdings, hinter, membership, pool } = deps;
  const tasks = answer.claimed.map(({ task }) => ({ ...task, refusal: refusalOf(call, task) }));
  take(holdings, call.claim, tasks, performance.now());
  for (const { task, limits } of answer.claimed)
    holdSlots(
      holdings,
      task,
      limits.filter(({ per }) => per === null).map(({ slot }) => slot),
    );
  state.after = answer.after;
  state.waiting = answer.pools.includes(pool);
  for (const other of answer.pools)
    if (other !== pool || membership.others > 0) hinter.hint(limitedLane(other), 0);
  if (answer.due !== null) askIn(deps, state, answer.due);
  await prepareTasks(deps, []);
}

function refusalOf({ candidates }: OwnCall, { flow, seq }: Claimed): Candidate['error'] {
  return candidates.find((one) => one.flow === flow && one.seq === seq)?.error;
}

/** A rate has room then. */
function askIn({ wake }: TurnDeps, state: State, ms: number): void {
  clearTimeout(state.timer);
  state.timer = setTimeout(() => {
    state.asked += 1;
    wake();
  }, ms + 1).unref();
}

async function takeWithRetry({ db }: TurnDeps, call: TakeCall): Promise<TakeAnswer> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await takeTasks(db, call);
    } catch (error) {
      if (!isRetryable(error) || isLockTimeout(error) || tries >= TRIES) throw error;
      await sleep(Math.random() * 5 * tries);
    }
  }
}

/** Whether executions of these versions have limited tasks is asked once a version, until one has. */
async function learnVersions({ db, wake, log }: TurnDeps, state: State, claimed: Claimed[]): Promise<void> {
  const fresh = new Set<string>();
  for (const { version } of claimed) if (version !== null && !state.versions.has(version)) fresh.add(version);
  if (fresh.size === 0) return;
  if (state.versions.size > VERSIONS_KEPT) state.versions.clear();
  for (const version of fresh) state.versions.add(version);
  try {
    if ((await findLimited(db, [...fresh])).length === 0) return;
    state.seen = true;
    state.asked += 1;
    wake();
  } catch (error) {
    for (const version of fresh) state.versions.delete(version);
    log.debug({ err: error }, 'could not ask for limited tasks');
  }
}

function isAmong(candidates: Candidate[], { flow, seq }: Candidate): boolean {
  return candidates.some((one) => one.flow === flow && one.seq === seq);
}
