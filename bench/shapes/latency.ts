// A system at rest, and one thing at a time: from registering to the start of the program, from one step of a chain to the
// next, beside graphile-worker's add → start and one bare update with its commit.
import { updateRows } from '../contenders/bare-update.ts';
import { startLatencies } from '../contenders/graphile-worker-latency.ts';
import type { Shape } from '../shape.ts';
import { chainLatencies, httpLatencies, inProcessLatencies } from '../umbel/latency.ts';

export const latency: Shape = {
  name: 'latency',
  title: 'Latency at rest',
  headline: { figure: 'startP50Ms', unit: 'ms p50', better: 'less' },
  cases: {
    'umbel, one process': inProcessLatencies,
    'umbel, over HTTP': httpLatencies,
    'graphile-worker': startLatencies,
    'umbel, chain of 40': chainLatencies,
    'bare update': updateRows,
  },
};
