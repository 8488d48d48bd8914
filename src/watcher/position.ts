// Where the next claim begins. A claim goes on from where the last one ended: always starting at the head would rescan every dead
// index entry that an old snapshot keeps alive. The head is looked at now and then, when something urgent came, and before sleeping.
import { HEAD, NOTHING_READY, type AdvanceAnswer, type Position } from '../sql/advance.ts';

export interface ClaimPosition {
  /** Where the call made at `now` begins, and which children it may take over. */
  next(now: number): { from: Position; urgent: number };
  /** Learns from the answer; true when nothing ready is left as far as this call could see. */
  learn(call: Looked, answer: AdvanceAnswer): boolean;
  /** Something of this priority became ready. True when it is more urgent than what is being claimed: it is looked for at once. */
  hint(priority: number): boolean;
}

interface Looked {
  from: Position;
  want: number;
  most: number;
  /** When the call was made and answered, in milliseconds of one clock. */
  began: number;
  now: number;
}

// A look may cost as much as the dead entries at the head; it gets a tenth of the time at most, and at least every so often.
const LOOK_EVERY = 10;
const LOOK_SHARE = 10;

/** Times are milliseconds of one clock. */
export function makeClaimPosition(): ClaimPosition {
  let position = HEAD;
  let urgent = NOTHING_READY;
  let lookDue = 0;
  /** Priority at which the last call left ready tasks behind; none when it left nothing. */
  let backlog: number | undefined;
  return {
    next(now) {
      if (now >= lookDue) position = HEAD;
      return { from: position, urgent };
    },
    learn(call, answer) {
      const { from, began, now } = call;
      if (answer.mostUrgent !== undefined) {
        urgent = answer.mostUrgent;
        lookDue = now + Math.max(LOOK_EVERY, (now - began) * LOOK_SHARE);
      }
      // Nothing was asked of the index: where claims are, a claim knows that answered meanwhile.
      if (call.most === 0) return false;
      if (isFull(call, answer)) {
        position = furthest(answer, from);
        backlog = position.priority;
        return false;
      }
      position = HEAD;
      backlog = undefined;
      return from === HEAD;
    },
    hint(priority) {
      urgent = Math.min(urgent, priority);
      if (backlog === undefined || priority >= backlog) return false;
      lookDue = 0;
      return true;
    },
  };
}

/** Whether the index gave all that it was asked for, so that there may be more. */
function isFull({ want, most }: Looked, { claimed }: AdvanceAnswer): boolean {
  let handed = 0;
  for (const { handedOver } of claimed) if (handedOver) handed += 1;
  return claimed.length - handed >= Math.min(want, most) - handed;
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
