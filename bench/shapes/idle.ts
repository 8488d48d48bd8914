// A watcher with nothing to do, its poll and heartbeat going on: `umbel watch` as users run it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { umbel } from '../contenders/umbel.ts';
import type { Shape } from '../shape.ts';
import { POLL_INTERVAL_MS, WORKERS } from '../umbel/watching.ts';

const COMMAND = fileURLToPath(new URL('../../cmd/umbel.js', import.meta.url));
const SETTLE_MS = 3_000;
const WATCH_MS = 20_000;

export const idle: Shape = {
  name: 'idle',
  title: 'Idle: a watcher at rest for 20 s',
  headline: { figure: 'cpuPercent', unit: '% of a core', better: 'less' },
  cases: {
    umbel: {
      contender: umbel,
      run: async ({ url }) => ({
        figures: await watchAtRest(url),
        settings: { workers: WORKERS, claimAhead: 0, pollIntervalMs: POLL_INTERVAL_MS },
      }),
    },
  },
};

async function watchAtRest(url: string): Promise<{ cpuPercent: number; rssMb: number }> {
  const watcher = spawn(
    process.execPath,
    [COMMAND, 'watch', '--workers', `${WORKERS}`, '--poll-interval', `${POLL_INTERVAL_MS}ms`],
    { env: { ...process.env, DATABASE_URL: url, LOG_FORMAT: 'json' }, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const ended = once(watcher, 'exit');
  try {
    await untilWatching(watcher.stderr);
    await sleep(SETTLE_MS);
    const before = await readCpu(watcher.pid!);
    await sleep(WATCH_MS);
    const cpuMs = (await readCpu(watcher.pid!)) - before;
    return { cpuPercent: (cpuMs * 100) / WATCH_MS, rssMb: await readMemory(watcher.pid!) };
  } finally {
    watcher.kill();
    await ended;
  }
}

/** What it says later has to be read as well, or it would find its pipe closed. */
function untilWatching(log: Readable): Promise<void> {
  return new Promise((resolve) => {
    log.on('data', (chunk) => {
      if (String(chunk).includes('"watching"')) resolve();
    });
  });
}

/** Milliseconds of CPU so far; of all its threads. */
async function readCpu(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const [user = 0, system = 0] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number);
  return (user + system) * 10;
}

async function readMemory(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_000;
}
