// graphile-worker at rest: from adding a job to its start, in one process with the default settings.
import { setTimeout as sleep } from 'node:timers/promises';
import { describeLatencies } from '../statistics.ts';
import type { Case } from '../shape.ts';
import { millisecondsBetween } from '../probes/starts.ts';
import { graphileWorker, startRunner } from './graphile-worker.ts';

const SAMPLES = 300;
const WARM_UP = 30;
const REST_MS = 5;
const CONCURRENT_JOBS = 10;

export const startLatencies: Case = {
  contender: graphileWorker,
  async run({ url }) {
    let started: (at: bigint) => void = () => undefined;
    const runner = await startRunner(url, { localQueue: null, concurrentJobs: CONCURRENT_JOBS }, () =>
      started(process.hrtime.bigint()),
    );
    const latencies: number[] = [];
    for (let i = 0; i < WARM_UP + SAMPLES; i += 1) {
      const start = new Promise<bigint>((resolve) => (started = resolve));
      const began = process.hrtime.bigint();
      await runner.addJob('noop', {});
      const latency = millisecondsBetween(began, await start);
      if (i >= WARM_UP) latencies.push(latency);
      await sleep(REST_MS);
    }
    await runner.stop();
    return {
      figures: describeLatencies('start', latencies),
      settings: { workers: CONCURRENT_JOBS, claimAhead: 0, samples: SAMPLES },
    };
  },
};
