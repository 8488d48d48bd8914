// A watcher with nothing to do, its poll and heartbeat going on.
import { setTimeout as sleep } from 'node:timers/promises';
import { umbel } from '../contenders/umbel.ts';
import { startChild } from '../processes/child.ts';
import type { Shape } from '../shape.ts';
import { POLL_INTERVAL_MS, WORKERS } from '../umbel/watching.ts';

const SETTLE_MS = 3_000;
const WATCH_MS = 20_000;

interface Totals {
  cpuSeconds: number;
  rssMb: number;
}

export const idle: Shape = {
  name: 'idle',
  title: 'Idle: a watcher at rest for 20 s',
  headline: { figure: 'cpuPercent', unit: '% of a core', better: 'less' },
  cases: {
    umbel: {
      contender: umbel,
      async run({ url }) {
        const watcher = await startChild('watcher', { url, workers: WORKERS });
        try {
          await watcher.ask('start');
          await watcher.ask('quiet');
          await sleep(SETTLE_MS);
          const before = await watcher.ask<Totals>('totals');
          await sleep(WATCH_MS);
          const { cpuSeconds, rssMb } = await watcher.ask<Totals>('totals');
          await watcher.ask('stop');
          return {
            figures: { cpuPercent: ((cpuSeconds - before.cpuSeconds) * 100_000) / WATCH_MS, rssMb },
            settings: { workers: WORKERS, claimAhead: 0, pollIntervalMs: POLL_INTERVAL_MS },
          };
        } finally {
          await watcher.end();
        }
      },
    },
  },
};
