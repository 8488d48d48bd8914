// Every task waits for the whole layer before it: 40,000 edges for 500 tasks.
import { layers } from '../graphs.ts';
import type { Shape } from '../shape.ts';
import { oneAndFour } from '../umbel/case.ts';

export const dense: Shape = {
  name: 'dense',
  title: 'Dense layers: 5 of 100 tasks, every edge',
  headline: { figure: 'tasksPerSecond', unit: 'tasks/s', better: 'more' },
  cases: oneAndFour(layers(5, 100, 100), { share: 0.1 }),
};
