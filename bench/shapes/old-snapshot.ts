// A report, a backup or a forgotten transaction keeps every dead row version and index entry alive while a backlog is drained.
import { Client } from 'pg';
import { FLAT, type Graph } from '../graphs.ts';
import { umbel } from '../contenders/umbel.ts';
import type { Case, Sample, Shape } from '../shape.ts';
import { umbelCase } from '../umbel/case.ts';
import { drainUmbel } from '../umbel/drain.ts';
import { ONE_MS } from '../umbel/programs.ts';
import { CHAIN } from './chain.ts';

export const oldSnapshot: Shape = {
  name: 'old-snapshot',
  title: 'Old snapshot held open: 10 workers, programs of 1 ms',
  headline: { figure: 'tasksPerSecond', unit: 'tasks/s', better: 'more' },
  cases: {
    flat: umbelCase(FLAT, { program: ONE_MS }),
    'flat, snapshot held': heldCase(FLAT),
    chain: umbelCase(CHAIN, { program: ONE_MS }),
    'chain, snapshot held': heldCase(CHAIN),
  },
};

function heldCase(graph: Graph): Case {
  return {
    contender: umbel,
    run: ({ url, tasks }) => {
      const executions = Math.round(tasks / graph.length);
      return drainUmbel(url, { graph, executions, program: ONE_MS }, (drain) => holdSnapshot(url, drain));
    },
  };
}

async function holdSnapshot(url: string, drain: () => Promise<Sample>): Promise<Sample> {
  const client = new Client({ connectionString: url, application_name: 'umbel bench snapshot' });
  await client.connect();
  try {
    await client.query('begin transaction isolation level repeatable read');
    await client.query('select from kr_task_stat limit 1');
    return await drain();
  } finally {
    await client.end();
  }
}
