// Executions of one step that does nothing: what a plain queue does, and all that some peers do.
import { drainCase as bullmq } from '../contenders/bullmq.ts';
import { drainCase as graphileWorker } from '../contenders/graphile-worker.ts';
import { drainCase as pgBoss } from '../contenders/pg-boss.ts';
import { FLAT } from '../graphs.ts';
import type { Shape } from '../shape.ts';
import { umbelCase } from '../umbel/case.ts';

export const flat: Shape = {
  name: 'flat',
  title: 'Flat: one-step executions, backlog drained by one process',
  headline: { figure: 'tasksPerSecond', unit: 'tasks/s', better: 'more' },
  cases: {
    umbel: umbelCase(FLAT),
    'graphile-worker, localQueue 500': graphileWorker({ localQueue: 500, concurrentJobs: 10 }),
    'graphile-worker': graphileWorker({ localQueue: null, concurrentJobs: 10 }, 0.1),
    'pg-boss, batch 500': pgBoss,
    'bullmq on Postgres': bullmq('postgres', 1, 0.1),
    'bullmq on Redis': bullmq('redis', 1),
  },
};
