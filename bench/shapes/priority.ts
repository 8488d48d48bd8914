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
import { makeStarts, millisecondsBetween, type Starts } from '../probes/starts.ts';
import { openWatching, WORKERS } from '../umbel/watching.ts';

const BACKLOG = 'backlog';
const URGENT = 'urgent';
const REST_MS = 2;
/** Share of the backlog after which sampling ends, so that every sample met a backlog. */
const ENOUGH = 0.9;

export const priority: Shape = {
  name: 'priority',
  title: 'Priority: a most urgent one-step execution during a backlog',
  headline: { figure: 'startP99Ms', unit: 'ms p99', better: 'less' },
  cases: {
    'one process': { contender: umbel, run: inOneProcess },
    'two processes': { contender: umbel, run: inTwoProcesses },
  },
};

async function inOneProcess(context: CaseContext): Promise<Sample> {
  const { url, tasks } = context;
  await fill(context);
  const starts = makeStarts();
  let begun = 0;
  const watching = openWatching({ url, workers: WORKERS }, ({ execution }) => {
    begun += 1;
    if (execution.flow === URGENT) starts.note(execution.id, process.hrtime.bigint());
  });
  const registrar = openRegistrar(url, watching.hint);
  await watching.start();
  const latencies = await sample(starts, registrar.register, () => begun < tasks * ENOUGH);
  await watching.stop();
  await registrar.close();
  return describe(context, latencies, watching.figures().claimAhead);
}

async function inTwoProcesses(context: CaseContext): Promise<Sample> {
  const { url, tasks } = context;
  await fill(context);
  const starts = makeStarts();
  const watcher = await startChild('watcher', { url, workers: WORKERS, tellFlow: URGENT });
  let begun = 0;
  watcher.on('started', (body) => (begun = Number(body.started)));
  watcher.on('start', ({ id, at }) => starts.note(String(id), BigInt(String(at))));
  const registrar = openRegistrar(url);
  try {
    await watcher.ask('start');
    const latencies = await sample(starts, registrar.register, () => begun < tasks * ENOUGH);
    const { claimAhead } = await watcher.ask<{ claimAhead: number }>('usage');
    await watcher.ask('stop');
    return describe(context, latencies, claimAhead);
  } finally {
    await registrar.close();
    await watcher.end();
  }
}

async function fill({ url, tasks }: CaseContext): Promise<void> {
  await fillBacklog(url, { id: BACKLOG, graph: FLAT, program: NOOP, priority: 10 }, tasks);
  const { db, close } = openRegistrar(url);
  await defineFlow(db, { id: URGENT, graph: FLAT, program: NOOP, priority: -20 });
  await close();
}

async function sample(
  starts: Starts,
  register: Parameters<typeof registerOne>[0],
  goesOn: () => boolean,
): Promise<number[]> {
  const latencies: number[] = [];
  while (goesOn()) {
    const began = process.hrtime.bigint();
    latencies.push(millisecondsBetween(began, await starts.first(await registerOne(register, URGENT))));
    await sleep(REST_MS);
  }
  return latencies;
}

function describe({ tasks }: CaseContext, latencies: number[], claimAhead = 0): Sample {
  return {
    figures: { ...describeLatencies('start', latencies), samples: latencies.length },
    settings: { workers: WORKERS, claimAhead, backlog: tasks },
  };
}
