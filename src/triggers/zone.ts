// Local time of a zone and back: where its clock was set forward or back, and when it first reads a given time.
// Called by slots.ts. Times are milliseconds; a local time is counted as if its zone were UTC.

export interface Zone {
  /** What the clock reads at an instant. */
  localAt: (instant: number) => number;
  /** The latest time that the clock has read up to an instant: after it was set back, what it read just before. */
  highestAt: (instant: number) => number;
  /** The first instant at which the clock reads this or, where it jumped over it, more. */
  firstInstantOf: (local: number) => number;
}

/** The clock was set from one offset (milliseconds east of UTC) to another. */
interface Transition {
  at: number;
  before: number;
  after: number;
}

const SECOND = 1_000;
const HOUR = 3_600_000;
/** No clock was ever set by more than a day. */
const REACH = 26 * HOUR;
/** Offsets lie within. */
const FARTHEST = 16 * HOUR;
/** No zone sets its clock twice within this. */
const STRIDE = 12 * HOUR;

const zones = new Map<string, Zone>();

/** Throws a RangeError for what is no zone. */
export function findZone(timezone: string): Zone {
  let zone = zones.get(timezone);
  if (zone === undefined) zones.set(timezone, (zone = makeZone(makeOffsetReader(timezone))));
  return zone;
}

function makeZone(readOffset: (instant: number) => number): Zone {
  const list = makeTransitionList(readOffset);
  const localAt = (instant: number) => instant + readOffset(instant);
  return {
    localAt,
    highestAt(instant) {
      const before = list(instant - REACH, instant).map((one) => one.at + one.before - SECOND);
      return Math.max(localAt(instant), ...before);
    },
    firstInstantOf(local) {
      const begin = local - REACH - FARTHEST;
      let since = begin;
      let offset = readOffset(begin);
      for (const { at, after } of list(begin, local + FARTHEST)) {
        const instant = Math.max(since, local - offset);
        if (instant < at) return instant;
        since = at;
        offset = after;
      }
      return Math.max(since, local - offset);
    },
  };
}

/** Lists the transitions after one instant up to another; each year is looked through once. */
function makeTransitionList(readOffset: (instant: number) => number) {
  const years = new Map<number, Transition[]>();
  const listYear = (year: number) => {
    let found = years.get(year);
    if (found === undefined) years.set(year, (found = findTransitions(readOffset, year)));
    return found;
  };
  return (from: number, to: number): Transition[] => {
    const found: Transition[] = [];
    for (let year = yearOf(from); year <= yearOf(to); year += 1)
      for (const one of listYear(year)) if (one.at > from && one.at <= to) found.push(one);
    return found;
  };
}

function findTransitions(readOffset: (instant: number) => number, year: number): Transition[] {
  const found: Transition[] = [];
  const end = Date.UTC(year + 1, 0);
  let before = readOffset(Date.UTC(year, 0) - SECOND);
  for (let from = Date.UTC(year, 0) - SECOND; from < end - SECOND; from += STRIDE) {
    const to = Math.min(from + STRIDE, end - SECOND);
    const after = readOffset(to);
    if (after !== before) found.push({ at: findChange(readOffset, from, to), before, after });
    before = after;
  }
  return found;
}

/** The first second with another offset. */
function findChange(readOffset: (instant: number) => number, from: number, to: number): number {
  const before = readOffset(from);
  let low = from;
  let high = to;
  while (high - low > SECOND) {
    const middle = low + Math.floor((high - low) / 2 / SECOND) * SECOND;
    if (readOffset(middle) === before) low = middle;
    else high = middle;
  }
  return high;
}

function makeOffsetReader(timeZone: string): (instant: number) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  return (instant) => {
    const [month, day, year, hour, minute, second] = format.format(instant).match(/\d+/g)!.map(Number);
    const local = Date.UTC(year!, month! - 1, day, hour, minute, second);
    return local - Math.floor(instant / SECOND) * SECOND;
  };
}

function yearOf(instant: number): number {
  return new Date(instant).getUTCFullYear();
}
