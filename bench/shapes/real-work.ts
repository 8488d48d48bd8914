// A hundred HTTP requests of 20 ms at once: what a watcher loses between programs that wait for the outside world.
import { umbel } from '../contenders/umbel.ts';
import { FLAT } from '../graphs.ts';
import { startChild } from '../processes/child.ts';
import type { Shape } from '../shape.ts';
import { drainUmbel } from '../umbel/drain.ts';

const WORKERS = 100;
const REQUEST_MS = 20;

export const realWork: Shape = {
  name: 'real-work',
  title: 'Real work: 100 concurrent http.request of 20 ms',
  headline: { figure: 'tasksPerSecond', unit: 'tasks/s', better: 'more' },
  cases: {
    umbel: {
      contender: umbel,
      async run({ url, tasks }) {
        const server = await startChild('slow-server', { afterMs: REQUEST_MS });
        const load = {
          graph: FLAT,
          executions: Math.round(tasks / 4),
          workers: WORKERS,
          program: 'http.request',
          params: { url: String(server.ready.address) },
        };
        try {
          const { figures, settings } = await drainUmbel(url, load);
          const limit = (WORKERS * 1_000) / REQUEST_MS;
          return { figures: { ...figures, shareOfLimit: (figures.tasksPerSecond ?? 0) / limit }, settings };
        } finally {
          await server.end();
        }
      },
    },
  },
};
