// Chains of which one step has a limit that it never reaches: what counting costs. And the same without, to compare with.
import { chain as chainOf } from '../graphs.ts';
import type { Shape } from '../shape.ts';
import { umbelCase } from '../umbel/case.ts';

const CHAIN = chainOf(3);
const LIMIT = { concurrency: [{ key: '"bench"', limit: 1_000 }] };

export const limits: Shape = {
  name: 'limits',
  title: 'Limits: three-step executions of which one step has a concurrency key, drained by one process',
  headline: { figure: 'tasksPerSecond', unit: 'tasks/s', better: 'more' },
  cases: {
    'no limit': umbelCase(CHAIN, { share: 0.5 }),
    'one limit': umbelCase(CHAIN, { share: 0.5, options: LIMIT }),
  },
};
