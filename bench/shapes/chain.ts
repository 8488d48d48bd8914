// Executions of three steps, one after the other: dependencies, of which each is released by the task before.
import { drainCase as bullmq } from '../contenders/bullmq.ts';
import { drainCase as dbos } from '../contenders/dbos.ts';
import { chain as chainOf } from '../graphs.ts';
import type { Shape } from '../shape.ts';
import { umbelCase } from '../umbel/case.ts';

export const CHAIN = chainOf(3);

export const chain: Shape = {
  name: 'chain',
  title: 'Chain: three-step executions, backlog drained by one process',
  headline: { figure: 'tasksPerSecond', unit: 'tasks/s', better: 'more' },
  cases: {
    umbel: umbelCase(CHAIN),
    'bullmq on Postgres': bullmq('postgres', 3, 0.05),
    'bullmq on Redis': bullmq('redis', 3, 0.5),
    dbos: dbos(3, 0.1),
  },
};
