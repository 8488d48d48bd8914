// One step, a thousand that wait for it, one that waits for all of them: much is freed at once, and much arrives at one row.
import { fan as fanOf } from '../graphs.ts';
import type { Shape } from '../shape.ts';
import { oneAndFour } from '../umbel/case.ts';

export const fan: Shape = {
  name: 'fan',
  title: 'Fan: 1 → 1,000 → 1',
  headline: { figure: 'tasksPerSecond', unit: 'tasks/s', better: 'more' },
  cases: oneAndFour(fanOf(1_000), { share: 0.5 }),
};
