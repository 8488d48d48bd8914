// What a watcher tells: each turn of its loop, and how it stands when somebody asks.
import type { Registry } from 'prom-client';
import type { AdvanceAnswer, AdvanceCall } from '../sql/advance.ts';
import type { Ended } from '../sql/ended.ts';
import type { OnTurn } from '../watcher/turn.ts';
import type { WatcherState } from '../watcher/watcher.ts';
import { addHistogram } from './histogram.ts';
import { addCounter, addGauge, addMetric } from './metric.ts';

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const TASKS = [0, 1, 2, 5, 10, 25, 50, 100, 250, 500, 1000];

/** Registers what is learned from turns; the function it returns is told of every turn. */
export function addTurnMetrics(registry: Registry): OnTurn {
  const seconds = addHistogram(registry, {
    name: 'umbel_advance_duration_seconds',
    help: 'Time of a call that settles what ended and claims what runs next.',
    buckets: SECONDS,
  })();
  const batch = addHistogram(registry, {
    name: 'umbel_advance_batch_size',
    help: 'Tasks that one call settled or claimed.',
    buckets: TASKS,
  });
  const [settled, claimed] = [batch({ of: 'settled' }), batch({ of: 'claimed' })];
  const count = addTaskCounters(registry);
  return (call, answer, ms) => {
    seconds.observe(ms / 1000);
    settled.observe(call.ended.length);
    claimed.observe(answer.claimed.length);
    count(call, answer);
  };
}

function addTaskCounters(registry: Registry): (call: AdvanceCall, answer: AdvanceAnswer) => void {
  const settled: Record<Ended['status'], number> = {
    finished: 0,
    failed: 0,
    ignored: 0,
    waiting: 0,
    outside: 0,
  };
  const total = { claimed: 0, handed_over: 0, late: 0, seconds: 0 };
  addMetric(registry, {
    name: 'umbel_tasks_settled_total',
    help: 'Attempts recorded, by how they ended.',
    type: 'counter',
    read: () => Object.entries(settled).map(([outcome, value]) => ({ labels: { outcome }, value })),
  });
  addMetric(registry, {
    name: 'umbel_tasks_claimed_total',
    help: 'Tasks taken: from the claim index, or handed over by what freed them.',
    type: 'counter',
    read: () => (['claimed', 'handed_over'] as const).map((how) => ({ labels: { how }, value: total[how] })),
  });
  const late = 'Answers dropped: the task was edited, or was another watcher’s by then.';
  addCounter(registry, 'umbel_late_answers_total', late, () => total.late);
  addCounter(registry, 'umbel_program_seconds_total', 'Time that programs took.', () => total.seconds);
  return ({ ended }, { claimed, late }) => {
    for (const { status, age } of ended) {
      settled[status] += 1;
      total.seconds += age / 1000;
    }
    for (const { handedOver } of claimed) total[handedOver ? 'handed_over' : 'claimed'] += 1;
    total.late += late.length;
  };
}

/** Registers how the watcher stands. */
export function addWatcherMetrics(registry: Registry, look: () => WatcherState): void {
  addGauge(registry, 'umbel_slots', 'Tasks that this watcher runs at once.', () => look().workers);
  addGauge(registry, 'umbel_slots_busy', 'Tasks that it runs.', () => look().running);
  addGauge(registry, 'umbel_claimed_ahead', 'Tasks that it holds and has not begun.', () => look().queued);
  addGauge(registry, 'umbel_unrecorded', 'Ended tasks whose record is on its way.', () => look().unrecorded);
  addGauge(
    registry,
    'umbel_lease_age_seconds',
    'Since the last heartbeat that the database took.',
    () => look().leaseAge / 1000,
  );
  addGauge(
    registry,
    'umbel_pool_watchers',
    'Live watchers of its pool, with itself.',
    () => look().others + 1,
  );
}
