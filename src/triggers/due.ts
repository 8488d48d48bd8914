// Which slots of a schedule are due at a moment, and when the next one will be. Pure. Called by fire.ts.
import { createHash } from 'node:crypto';
import type { Policy } from './policy.ts';
import type { Slots } from './slots.ts';

export interface DueSlot {
  /** The time that the cron expression names, in milliseconds. */
  slot: number;
  /** When it fires: the slot, and the jitter after it. */
  due: number;
}

export interface DueList {
  /** Slots too old to be looked at one by one: all from the first up to this time. */
  tooOld: { slot: number; through: number } | null;
  due: DueSlot[];
  /** More are due than are listed. */
  more: boolean;
  /** Up to here they are listed. */
  decidedTo: number;
  /** When the next one after them is due; null: never. */
  next: number | null;
}

export interface DueQuestion {
  flow: string;
  slots: Slots;
  policy: Policy;
  /** What was due up to here is done. */
  decidedTo: number;
  now: number;
}

/** What fires no later than this after its time is on time: no policy about missed times applies to it. */
export const ON_TIME = 10_000;
/** Slots listed at once. */
const MOST = 1_000;

export function listDue(question: DueQuestion): DueList {
  const { slots, policy, now } = question;
  const oldest = now - policy.catchUpWindow - ON_TIME;
  const first = slots.next(question.decidedTo);
  const tooOld = first !== null && first < oldest ? { slot: first, through: oldest } : null;
  const due: DueSlot[] = [];
  let decidedTo = tooOld === null ? question.decidedTo : oldest;
  let next = tooOld === null ? first : slots.next(oldest);
  for (; next !== null && due.length < MOST; next = slots.next(decidedTo)) {
    const at = dueOf(question, next);
    if (at > now) return { tooOld, due, more: false, decidedTo, next: at };
    due.push({ slot: next, due: at });
    decidedTo = next;
  }
  const after = next === null ? null : dueOf(question, next);
  return { tooOld, due, more: after !== null && after <= now, decidedTo, next: after };
}

/** When a slot fires; the same in every process. It never comes after the next slot, so that slots fire in their order. */
export function dueOf(
  { flow, slots, policy }: Pick<DueQuestion, 'flow' | 'slots' | 'policy'>,
  slot: number,
): number {
  if (policy.jitter === 0) return slot;
  const room = (slots.next(slot) ?? Infinity) - slot;
  return slot + Math.floor(fractionOf(`${flow} ${slot}`) * Math.min(policy.jitter, room));
}

/** From 0 to 1, spread evenly over what it is asked. */
function fractionOf(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE() / 2 ** 32;
}
