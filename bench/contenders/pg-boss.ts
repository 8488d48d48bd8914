// pg-boss: jobs fetched and completed in batches; completed ones are kept.
import { measureDrain } from '../probes/drain.ts';
import type { Case, Contender, Sample } from '../shape.ts';

const pgBoss: Contender = {
  name: 'pg-boss',
  package: 'pg-boss',
  async install(url) {
    const boss = await openBoss(url);
    await boss.createQueue(QUEUE);
    await boss.stop({ graceful: false });
  },
};

const QUEUE = 'bench';
const BATCH = 500;
// On two cores more fetchers than these, or fewer, were slower.
const FETCHERS = 4;
const INSERTED_AT_ONCE = 1_000;

type Boss = Awaited<ReturnType<typeof openBoss>>;

/** A backlog fetched and completed 500 at a time: what its workers do, without their polling interval. */
export const drainCase: Case = {
  contender: pgBoss,
  async run({ url, tasks }): Promise<Sample> {
    const boss = await openBoss(url);
    await insertJobs(boss, tasks);
    await boss.stop({ graceful: false });
    return drain(url, tasks);
  },
};

/** Jobs inserted, so many a call. */
export const insertCase: Case = {
  contender: pgBoss,
  async run({ url, tasks }): Promise<Sample> {
    let boss: Boss | undefined;
    const open = async () => void (boss = await openBoss(url));
    const run = async () => boss && insertJobs(boss, tasks);
    const figures = await measureDrain(url, tasks, {
      open,
      run,
      close: async () => boss?.stop({ graceful: false }),
    });
    return { figures, settings: { tasks } };
  },
};

async function insertJobs(boss: Boss, jobs: number): Promise<void> {
  for (let left = jobs; left > 0; left -= INSERTED_AT_ONCE) {
    const batch = Array.from({ length: Math.min(left, INSERTED_AT_ONCE) }, () => ({ data: {} }));
    await boss.insert(QUEUE, batch);
  }
}

async function drain(url: string, tasks: number): Promise<Sample> {
  let boss: Boss | undefined;
  let done = 0;
  const open = async () => void (boss = await openBoss(url));
  const run = async () => {
    const fetcher = async () => {
      while (done < tasks) {
        const jobs = (await boss?.fetch(QUEUE, { batchSize: BATCH })) ?? [];
        if (jobs.length === 0) return;
        const ids = jobs.map(({ id }) => id);
        await boss?.complete(QUEUE, ids, { ok: true });
        done += ids.length;
      }
    };
    await Promise.all(Array.from({ length: FETCHERS }, fetcher));
    if (done !== tasks) throw new Error(`pg-boss completed ${done} of ${tasks} jobs`);
  };
  const figures = await measureDrain(url, tasks, {
    open,
    run,
    close: async () => boss?.stop({ graceful: false }),
  });
  return { figures, settings: { workers: FETCHERS, claimAhead: BATCH, tasks } };
}

async function openBoss(url: string) {
  const { PgBoss } = await import('pg-boss');
  const boss = new PgBoss({ connectionString: url, supervise: false, schedule: false });
  boss.on('error', (error) => process.stderr.write(`pg-boss: ${error.message}\n`));
  await boss.start();
  return boss;
}
