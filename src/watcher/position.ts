// Where the next claim begins. A claim goes on from where the last one ended: always starting at the head would rescan every dead
// index entry that an old snapshot keeps alive. The head is looked at now and then, when something urgent came, and before sleeping.
import { HEAD, NOTHING_READY, type AdvanceAnswer, type Position } from '../sql/advance.ts';

export interface ClaimPosition {
  /** Where the call made at `now` begins, and which children it may take over. */
  next(now: number): { from: Position; urgent: number };
  /** Learns from the answer; true when nothing ready is left as far as this call could see. */
  learn(call: { from: Position; want: number; began: number; now: number }, answer: AdvanceAnswer): boolean;
  /** Something of this priority became ready: more urgent than where the claim stands, it is looked for at once. */
  hint(priority: number): void;
}

// A look may cost as much as the dead entries at the head; it gets a tenth of the time at most, and at least every so often.
const LOOK_EVERY = 10;
const LOOK_SHARE = 10;

/** Times are milliseconds of one clock. */
export function makeClaimPosition(): ClaimPosition {
  let position = HEAD;
  let urgent = NOTHING_READY;
  let lookDue = 0;
  return {
    next(now) {
      if (now >= lookDue) position = HEAD;
      return { from: position, urgent };
    },
    learn({ from, want, began, now }, answer) {
      if (answer.mostUrgent !== undefined) {
        urgent = answer.mostUrgent;
        lookDue = now + Math.max(LOOK_EVERY, (now - began) * LOOK_SHARE);
      }
      if (answer.claimed.length >= want) {
        position = furthest(answer, from);
        return false;
      }
      position = HEAD;
      return from === HEAD;
    },
    hint(priority) {
      if (position !== HEAD && priority < position.priority) lookDue = 0;
      urgent = Math.min(urgent, priority);
    },
  };
}

function furthest(answer: AdvanceAnswer, from: Position): Position {
  let last = from;
  for (const { priority, flow, handedOver } of answer.claimed) {
    if (handedOver) continue;
    if (priority > last.priority || (priority === last.priority && flow > last.flow))
      last = { priority, flow };
  }
  return last;
}
