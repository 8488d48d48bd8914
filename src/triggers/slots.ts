// The instants at which a cron expression fires in a zone. A local time that the zone skips fires right after the gap, together with
// what fires there anyway; one that occurs twice fires the first time. Called by plan.ts and schedules.ts.
import { localTimes } from '../registrar/definition/cron.ts';
import { findZone } from './zone.ts';

export interface Slots {
  /** The first slot after an instant, in milliseconds; null when there is none any more. */
  next: (after: number) => number | null;
  /** The local time of a slot, with its offset: `2026-03-29T03:00:00+02:00`. */
  localTime: (slot: number) => string;
}

const SECOND = 1_000;
const KEPT = 10_000;
const kept = new Map<string, Slots>();

/** Throws for what `findCronProblem` and `findTimezoneProblem` refuse. */
export function findSlots(cron: string, timezone: string): Slots {
  const key = `${timezone} ${cron}`;
  const known = kept.get(key);
  if (known !== undefined) return known;
  if (kept.size >= KEPT) kept.clear();
  const slots = makeSlots(cron, timezone);
  kept.set(key, slots);
  return slots;
}

function makeSlots(cron: string, timezone: string): Slots {
  const times = localTimes(cron);
  const zone = findZone(timezone);
  return {
    next(after) {
      const read = Math.floor(zone.highestAt(after) / SECOND) * SECOND;
      const local = times.nextRun(new Date(read));
      return local === null ? null : zone.firstInstantOf(local.getTime());
    },
    localTime(slot) {
      const local = zone.localAt(slot);
      return `${new Date(local).toISOString().slice(0, 19)}${formatOffset(local - slot)}`;
    },
  };
}

function formatOffset(offset: number): string {
  const minutes = Math.round(Math.abs(offset) / 60_000);
  const pair = [Math.floor(minutes / 60), minutes % 60].map((part) => String(part).padStart(2, '0'));
  return `${offset < 0 ? '-' : '+'}${pair.join(':')}`;
}
