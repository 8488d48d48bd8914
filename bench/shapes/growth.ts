// The chain on top of a long history: nothing on the hot path may grow with the rows that lie there.
import { umbel } from '../contenders/umbel.ts';
import type { Shape } from '../shape.ts';
import { umbelCase } from '../umbel/case.ts';
import { fillHistory } from '../umbel/history.ts';
import { CHAIN } from './chain.ts';

export const growth: Shape = {
  name: 'growth',
  title: 'Growth: the chain on empty tables, and on a history of finished and blocked tasks',
  headline: { figure: 'tasksPerSecond', unit: 'tasks/s', better: 'more' },
  cases: {
    'empty tables': umbelCase(CHAIN),
    'on a history': {
      contender: umbel,
      fill: fillHistory,
      async run(context) {
        const { figures, settings } = await umbelCase(CHAIN).run(context);
        return { figures, settings: { ...settings, finished: context.history, blocked: context.blocked } };
      },
    },
  },
};
