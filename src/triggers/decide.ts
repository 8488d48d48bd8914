// What becomes of slots that are due: which missed ones are made up for, and what happens while an execution goes on.
// Pure: processes that decide on the same slots decide the same. Called by fire.ts.
import { type DueList, type DueSlot, ON_TIME } from './due.ts';
import type { Policy } from './policy.ts';

export interface Decision {
  slot: number;
  decision: 'fired' | 'queued' | 'skipped' | 'missed' | 'cancelled' | 'failed';
  reason: string | null;
  /** The same holds for every slot up to this time. */
  through: number | null;
}

export interface DecideQuestion {
  list: DueList;
  policy: Policy;
  now: number;
  /** Executions of the schedule that have not ended. */
  running: number;
  /** Slots that wait for them, and the oldest of those. */
  queued: number;
  oldest: number | null;
}

/** Slots that may wait. */
const LONGEST_QUEUE = 1_000;

/** `cancel`: nothing is decided before what runs is ended. */
export function decide(question: DecideQuestion): Decision[] | 'cancel' {
  const { list, policy, running } = question;
  const kept = list.due.filter(makeKeeper(question));
  if (policy.overlap === 'cancel-running' && running > 0 && kept.length > 0) return 'cancel';
  const start = startOldest(question);
  const decided = new Map(overlap(kept, question, start.length > 0).map((one) => [one.slot, one]));
  const all = list.due.map(({ slot }) => decided.get(slot) ?? miss(slot, slot));
  const tooOld = list.tooOld === null ? [] : [miss(list.tooOld.slot, list.tooOld.through)];
  return [...start, ...joinMissed([...tooOld, ...all])];
}

/** Whether a slot is on time, or late and made up for. */
function makeKeeper({ list: { due, more }, policy, now }: DecideQuestion): (one: DueSlot) => boolean {
  const isLate = (one: DueSlot) => now - one.due > ON_TIME;
  const newest = more ? undefined : due.at(-1);
  return (one) => {
    if (!isLate(one)) return true;
    if (now - one.due > policy.catchUpWindow || policy.misfire === 'none') return false;
    return policy.misfire === 'all' || one === newest;
  };
}

/** The one that has waited longest begins when nothing runs any more. */
function startOldest({ oldest, running }: DecideQuestion): Decision[] {
  return oldest === null || running > 0 ? [] : [fire(oldest)];
}

function overlap(kept: DueSlot[], question: DecideQuestion, started: boolean): Decision[] {
  const { policy, running } = question;
  const busy = running > 0 || started;
  switch (policy.overlap) {
    case 'allow':
      return kept.map(({ slot }) => fire(slot));
    case 'skip':
      return kept.map(({ slot }, at) =>
        busy || at > 0 ? make(slot, 'skipped', 'an execution of it still runs') : fire(slot),
      );
    case 'queue':
      return queue(kept, busy, question.queued - (started ? 1 : 0));
    case 'cancel-running':
      return kept.map(({ slot }, at) =>
        at === kept.length - 1 ? fire(slot) : make(slot, 'cancelled', 'a later time came before it began'),
      );
  }
}

function queue(kept: DueSlot[], busy: boolean, queued: number): Decision[] {
  let waiting = queued;
  return kept.map(({ slot }, at) => {
    if (!busy && waiting === 0 && at === 0) return fire(slot);
    if (waiting >= LONGEST_QUEUE) return make(slot, 'skipped', `${LONGEST_QUEUE} times wait already`);
    waiting += 1;
    return make(slot, 'queued', 'an execution of it still runs');
  });
}

/** Missed slots in a row are one decision. */
function joinMissed(decisions: Decision[]): Decision[] {
  const joined: Decision[] = [];
  for (const one of decisions) {
    const last = joined.at(-1);
    if (one.decision === 'missed' && last?.decision === 'missed') last.through = one.through;
    else joined.push({ ...one });
  }
  return joined.map((one) => (one.through === one.slot ? { ...one, through: null } : one));
}

function fire(slot: number): Decision {
  return { slot, decision: 'fired', reason: null, through: null };
}

function make(slot: number, decision: Decision['decision'], reason: string): Decision {
  return { slot, decision, reason, through: null };
}

function miss(slot: number, through: number): Decision {
  return { slot, decision: 'missed', reason: 'no scheduler ran at its time', through };
}
