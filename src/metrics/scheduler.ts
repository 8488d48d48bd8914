// What a scheduler tells: what became of the times of schedules, and how late they fired. Called by cmd/ when there is somewhere to show it.
import type { Registry } from 'prom-client';
import { addHistogram } from './histogram.ts';
import { addMetric } from './metric.ts';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600];

interface Turn {
  fires: { decision: string }[];
  /** Milliseconds, one for each that fired. */
  lateness: number[];
}

/** The function it returns is to be told of every turn of the scheduler. */
export function addScheduleMetrics(registry: Registry): (turn: Turn) => void {
  const counts: Record<string, number> = {};
  addMetric(registry, {
    name: 'umbel_schedule_fires_total',
    help: 'Times of schedules that this process decided on; a run of missed times counts as one.',
    type: 'counter',
    read: () => Object.entries(counts).map(([decision, value]) => ({ labels: { decision }, value })),
  });
  const lateness = addHistogram(registry, {
    name: 'umbel_schedule_lateness_seconds',
    help: 'From the time of a schedule to its execution being registered.',
    buckets: SECONDS,
  })();
  return (turn) => {
    for (const { decision } of turn.fires) counts[decision] = (counts[decision] ?? 0) + 1;
    for (const ms of turn.lateness) lateness.observe(ms / 1000);
  };
}
