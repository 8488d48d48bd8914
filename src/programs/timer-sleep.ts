// timer.sleep: waits for a time, in the database instead of in a worker.
import { Type } from 'typebox';
import { parseDuration } from '../dag/duration.ts';
import { runAgainAfter } from './later.ts';
import { defineProgram } from './program.ts';
import { invalidParameters } from './program-error.ts';

export const timerSleep = defineProgram({
  name: 'timer.sleep',
  description: 'Waits for a duration, or until a time, without holding a worker',
  params: Type.Object(
    {
      duration: Type.Optional(Type.String({ description: 'A duration such as 30s, 5m or 2h.' })),
      until: Type.Optional(Type.String({ description: 'A time: ISO 8601 with a zone.' })),
    },
    { additionalProperties: false },
  ),
  run({ params, checkpoint }) {
    const until = readUntil(checkpoint) ?? endOf(params);
    const left = until - Date.now();
    return left > 0 ? runAgainAfter(left, { until }) : { until: new Date(until).toISOString() };
  },
});

function readUntil(checkpoint: unknown): number | undefined {
  return (checkpoint as { until?: number } | null)?.until;
}

function endOf({ duration, until }: { duration?: string; until?: string }): number {
  if ((duration === undefined) === (until === undefined))
    throw invalidParameters('timer.sleep: give either duration or until');
  const end = duration === undefined ? Date.parse(until!) : Date.now() + (parseDuration(duration) ?? NaN);
  if (Number.isNaN(end))
    throw invalidParameters(
      `timer.sleep: "${duration ?? until}" is not ${duration === undefined ? 'a time such as 2026-01-31T08:00:00Z' : 'a duration such as 30s'}`,
    );
  return end;
}
