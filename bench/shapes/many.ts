// One, two and four watcher processes on one database, while eight clients go on registering: half the executions lie
// ready, the other half come in meanwhile.
import { umbel } from '../contenders/umbel.ts';
import { startChild } from '../processes/child.ts';
import type { Case, Figures, Shape } from '../shape.ts';
import { drainUmbel, FLOW } from '../umbel/drain.ts';
import { CHAIN } from './chain.ts';

const CLIENTS = 8;

export const many: Shape = {
  name: 'many',
  title: 'Many: 1, 2 and 4 watcher processes, 8 register clients',
  headline: { figure: 'tasksPerSecond', unit: 'tasks/s', better: 'more' },
  cases: {
    '1 watcher': manyCase(1),
    '2 watchers': manyCase(2),
    '4 watchers': manyCase(4),
  },
};

interface Loaded {
  answered: number;
  failed: number;
  firstFailure?: string;
}

function manyCase(watchers: number): Case {
  return {
    contender: umbel,
    async run({ url, tasks }) {
      const executions = Math.round(tasks / CHAIN.length / 2);
      const server = await startChild('register-server', { url, watch: false, workers: 0 });
      const { address } = server.ready;
      const load = await startChild('http-load', { address, path: `/register/${FLOW}`, clients: CLIENTS });
      const callers: Figures = {};
      const meanwhile = async () => {
        const { answered, failed, firstFailure } = await load.ask<Loaded>('run', { requests: executions });
        if (failed > 0) process.stderr.write(`a register client got: ${firstFailure}\n`);
        callers.callerErrors = failed;
        await server.ask('stop');
        return answered;
      };
      try {
        const drained = await drainUmbel(url, { graph: CHAIN, executions, watchers, meanwhile });
        return {
          figures: { ...drained.figures, ...callers },
          settings: { ...drained.settings, clients: CLIENTS },
        };
      } finally {
        await Promise.all([server.end(), load.end()]);
      }
    },
  };
}
