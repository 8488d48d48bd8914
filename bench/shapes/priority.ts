// A most urgent execution comes while a large backlog is worked off at full speed: it must not wait for the backlog, nor for
// what was claimed ahead. Registered in the watcher's own process, and in another one that can only notify it.
import { setTimeout as sleep } from 'node:timers/promises';
import { umbel } from '../contenders/umbel.ts';
import { FLAT } from '../graphs.ts';
import { startChild } from '../processes/child.ts';
import { describeLatencies } from '../statistics.ts';
import type { CaseContext, Sample, Shape } from '../shape.ts';
import { defineFlow, fillBacklog, openRegistrar, registerOne } from '../umbel/flows.ts';
import { NOOP } from '../umbel/programs.ts';
import { waitUntil } from '../probes/wait.ts';
import { makeStarts, millisecondsBetween, type Starts } from '../probes/starts.ts';
import { untilEnded, verifyRun } from '../umbel/verify.ts';
import { openWatching, WORKERS } from '../umbel/watching.ts';

const BACKLOG = 'backlog';
const URGENT = 'urgent';
const REST_MS = 2;
/** Shares of the backlog between which samples are taken: when it runs at full speed, and is still there. */
const BEGIN = 0.05;
const END = 0.9;

export const priority: Shape = {
  name: 'priority',
  title: 'Priority: a most urgent one-step execution during a backlog',
  headline: { figure: 'startP99Ms', unit: 'ms p99', better: 'less' },
  cases: {
    'one process': { contender: umbel, run: inOneProcess },
    'two processes': { contender: umbel, run: inTwoProcesses },
  },
};

/** Milliseconds from asking to the answer, and to the start. */
interface Latency {
  registered: number;
  started: number;
}

async function inOneProcess(context: CaseContext): Promise<Sample> {
  const { url, tasks } = context;
  const since = await fill(context);
  const starts = makeStarts();
  let begun = 0;
  const watching = openWatching({ url, workers: WORKERS }, ({ execution }) => {
    begun += 1;
    if (execution.flow === URGENT) starts.note(execution.id, process.hrtime.bigint());
  });
  const registrar = openRegistrar(url, watching.hint);
  await watching.start();
  const latencies = await sample(starts, registrar.register, () => begun / tasks);
  await untilEnded(url, since);
  await watching.stop();
  await registrar.close();
  return describe(context, since, latencies, watching.figures().claimAhead);
}

async function inTwoProcesses(context: CaseContext): Promise<Sample> {
  const { url, tasks } = context;
  const since = await fill(context);
  const starts = makeStarts();
  const watcher = await startChild('watcher', { url, workers: WORKERS, tellFlow: URGENT });
  let begun = 0;
  watcher.on('started', (body) => (begun = Number(body.started)));
  watcher.on('start', ({ id, at }) => starts.note(String(id), BigInt(String(at))));
  const registrar = openRegistrar(url);
  try {
    await watcher.ask('start');
    const latencies = await sample(starts, registrar.register, () => begun / tasks);
    await untilEnded(url, since);
    const { claimAhead } = await watcher.ask<{ claimAhead: number }>('usage');
    await watcher.ask('stop');
    return await describe(context, since, latencies, claimAhead);
  } finally {
    await registrar.close();
    await watcher.end();
  }
}

async function fill({ url, tasks }: CaseContext): Promise<Date> {
  const since = await fillBacklog(url, { id: BACKLOG, graph: FLAT, program: NOOP, priority: 10 }, tasks);
  const { db, close } = openRegistrar(url);
  await defineFlow(db, { id: URGENT, graph: FLAT, program: NOOP, priority: -20 });
  await close();
  return since;
}

async function sample(
  starts: Starts,
  register: Parameters<typeof registerOne>[0],
  progress: () => number,
): Promise<Latency[]> {
  const latencies: Latency[] = [];
  await waitUntil('the backlog moves', async () => progress() >= BEGIN);
  while (progress() < END) {
    const began = process.hrtime.bigint();
    const execution = await registerOne(register, URGENT);
    const registered = millisecondsBetween(began, process.hrtime.bigint());
    latencies.push({ registered, started: millisecondsBetween(began, await starts.first(execution)) });
    await sleep(REST_MS);
  }
  return latencies;
}

async function describe(
  { url, tasks }: CaseContext,
  since: Date,
  latencies: Latency[],
  claimAhead = 0,
): Promise<Sample> {
  const executions = tasks + latencies.length;
  await verifyRun(url, { since, executions, tasks: executions });
  return {
    figures: {
      ...describeLatencies(
        'start',
        latencies.map(({ started }) => started),
      ),
      ...describeLatencies(
        'register',
        latencies.map(({ registered }) => registered),
      ),
      samples: latencies.length,
    },
    settings: { workers: WORKERS, claimAhead, backlog: tasks },
  };
}
