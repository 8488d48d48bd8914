// Wide layers with few edges: every task is freed by several, which end in different batches.
import { layers as layersOf } from '../graphs.ts';
import type { Shape } from '../shape.ts';
import { oneAndFour } from '../umbel/case.ts';

export const layers: Shape = {
  name: 'layers',
  title: 'Layers: 20 of 100 tasks, 3 edges each',
  headline: { figure: 'tasksPerSecond', unit: 'tasks/s', better: 'more' },
  cases: oneAndFour(layersOf(20, 100, 3), { share: 0.5 }),
};
