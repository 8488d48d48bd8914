// What a flow says of its schedule, with what holds when it says nothing. Called by fire.ts and schedules.ts.
import { parseDuration } from '../dag/duration.ts';
import type { Json, JsonObject } from '../dag/vocabulary.ts';

export interface Policy {
  /** Which missed times are made up for. */
  misfire: 'none' | 'last' | 'all';
  /** What happens when the last execution still goes on. */
  overlap: 'allow' | 'skip' | 'queue' | 'cancel-running';
  /** How old a missed time may be, in milliseconds. */
  catchUpWindow: number;
  /** It fires up to so many milliseconds later. */
  jitter: number;
}

const DEFAULTS: Policy = { misfire: 'last', overlap: 'allow', catchUpWindow: 3_600_000, jitter: 0 };
const MISFIRES: readonly unknown[] = ['none', 'last', 'all'];
const OVERLAPS: readonly unknown[] = ['allow', 'skip', 'queue', 'cancel-running'];

/** Reads what stands in the row; what does not fit counts as not said, as SQL may write anything. */
export function readPolicy(value: Json): Policy {
  const said: JsonObject = typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
  return {
    misfire: MISFIRES.includes(said['misfire']) ? (said['misfire'] as Policy['misfire']) : DEFAULTS.misfire,
    overlap: OVERLAPS.includes(said['overlap']) ? (said['overlap'] as Policy['overlap']) : DEFAULTS.overlap,
    catchUpWindow: parseDuration(said['catchUpWindow']) ?? DEFAULTS.catchUpWindow,
    jitter: parseDuration(said['jitter']) ?? DEFAULTS.jitter,
  };
}
