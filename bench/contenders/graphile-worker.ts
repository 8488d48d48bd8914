// graphile-worker: jobs without dependencies, deleted when done.
import { Client } from 'pg';
import { countTo, measureDrain } from '../probes/drain.ts';
import { waitUntil } from '../probes/wait.ts';
import type { Case, Contender, Sample } from '../shape.ts';

export const graphileWorker: Contender = {
  name: 'graphile-worker',
  package: 'graphile-worker',
  async install(url) {
    const { runMigrations } = await import('graphile-worker');
    await runMigrations({ connectionString: url });
  },
};

interface Settings {
  /** Jobs fetched at once into the process; null: each worker fetches its own. */
  localQueue: number | null;
  concurrentJobs: number;
}

/** A backlog of jobs that do nothing, worked off by one process. */
export function drainCase(settings: Settings, share = 1): Case {
  return {
    contender: graphileWorker,
    run: ({ url, tasks }) => drain(url, Math.round(tasks * share), settings),
  };
}

async function drain(url: string, jobs: number, settings: Settings): Promise<Sample> {
  await fill(url, jobs);
  const { count, reached } = countTo(jobs);
  let runner: Awaited<ReturnType<typeof startRunner>> | undefined;
  const run = async () => {
    runner = await startRunner(url, settings, count);
    await reached;
    await untilEmpty(url);
  };
  const figures = await measureDrain(url, jobs, { run, close: async () => runner?.stop() });
  return {
    figures,
    settings: { workers: settings.concurrentJobs, claimAhead: settings.localQueue ?? 0, tasks: jobs },
  };
}

export async function startRunner(url: string, { localQueue, concurrentJobs }: Settings, task: () => void) {
  const { Logger, run } = await import('graphile-worker');
  return run({
    taskList: { noop: async () => task() },
    preset: {
      worker: {
        connectionString: url,
        concurrentJobs,
        maxPoolSize: concurrentJobs + 2,
        ...(localQueue !== null && {
          localQueue: { size: localQueue },
          completeJobBatchDelay: 0,
          failJobBatchDelay: 0,
        }),
      },
    },
    logger: new Logger(() => () => undefined),
    noHandleSignals: true,
  });
}

/** Jobs added by its own SQL function, so many a call. */
export const addCase: Case = {
  contender: graphileWorker,
  async run({ url, tasks }) {
    const run = () => fill(url, tasks);
    const figures = await measureDrain(url, tasks, { run, close: async () => undefined });
    return { figures, settings: { tasks } };
  },
};

const ADD = `
  select count(*) from graphile_worker.add_jobs((
    select array_agg(row('noop', '{}'::json, null, null, null, null, null, null)::graphile_worker.job_spec)
    from generate_series(1, $1)))`;
const BATCH = 10_000;

async function fill(url: string, jobs: number): Promise<void> {
  await withClient(url, async (client) => {
    for (let left = jobs; left > 0; left -= BATCH) await client.query(ADD, [Math.min(left, BATCH)]);
  });
}

async function untilEmpty(url: string): Promise<void> {
  await withClient(url, (client) =>
    waitUntil('every job is completed', async () => {
      const { rowCount } = await client.query('select from graphile_worker._private_jobs limit 1');
      return rowCount === 0;
    }),
  );
}

async function withClient<Done>(url: string, work: (client: Client) => Promise<Done>): Promise<Done> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
