// A graph as no hand draws it: 10,000 tasks in one execution, each after up to three earlier ones chosen at random.
import { random as randomOf } from '../graphs.ts';
import type { Shape } from '../shape.ts';
import { oneAndFour } from '../umbel/case.ts';

const SIZE = 10_000;

export const random: Shape = {
  name: 'random',
  title: 'Random DAG: 10,000 tasks, 3 edges each',
  headline: { figure: 'tasksPerSecond', unit: 'tasks/s', better: 'more' },
  cases: oneAndFour((tasks) => randomOf(Math.min(SIZE, tasks), 3)),
};
