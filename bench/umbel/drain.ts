// Umbel works off a backlog with one or more watcher processes. Every drain shape of Umbel goes through here.
import type { Graph } from '../graphs.ts';
import { startChild, type Child } from '../processes/child.ts';
import { probeDatabase } from '../probes/database.ts';
import { nodeFigures, type NodeUsage } from '../probes/node.ts';
import { waitUntil } from '../probes/wait.ts';
import type { Figures, Sample } from '../shape.ts';
import { fillBacklog, type Flow } from './flows.ts';
import { NOOP } from './programs.ts';
import { untilEnded, verifyRun } from './verify.ts';
import { WORKERS } from './watching.ts';

export interface Load {
  graph: Graph;
  executions: number;
  program?: string;
  params?: Flow['params'];
  options?: Flow['options'];
  /** Processes; default 1. */
  watchers?: number;
  /** Of each process; default 10. */
  workers?: number;
  /** Something that goes on meanwhile, once the watchers have started; resolves with executions that it added. */
  meanwhile?: () => Promise<number>;
}

interface WatcherUsage extends NodeUsage {
  started: number;
  advanceCalls: number;
  claimAhead: number;
  complaints: number;
}

export const FLOW = 'bench';

/** Fills, drains, and checks that every task ran exactly once. `during` surrounds the drain. */
export async function drainUmbel(
  url: string,
  load: Load,
  during: (drain: () => Promise<Sample>) => Promise<Sample> = (drain) => drain(),
): Promise<Sample> {
  const { graph, program = NOOP } = load;
  const { params, options } = load;
  const flow: Flow = { id: FLOW, graph, program, ...(params && { params }), ...(options && { options }) };
  const since = await fillBacklog(url, flow, load.executions);
  return during(() => drainBacklog(url, load, since));
}

/** Drains what was registered since then. */
async function drainBacklog(url: string, load: Load, since: Date): Promise<Sample> {
  const { watchers = 1, workers = WORKERS } = load;
  const children = await Promise.all(
    Array.from({ length: watchers }, () => startChild('watcher', { url, workers })),
  );
  try {
    const { done, figures } = await probeDatabase(url, () => runWatchers(url, load, since, children));
    const { executions, tasks, seconds, usages } = done;
    await verifyRun(url, { since, executions, tasks });
    checkStarts(usages, tasks);
    return {
      figures: { tasksPerSecond: tasks / seconds, seconds, ...figures, ...watcherFigures(usages, tasks) },
      settings: {
        watchers,
        workers,
        claimAhead: Math.max(...usages.map((usage) => usage.claimAhead)),
        executions,
        tasks,
      },
    };
  } finally {
    await Promise.all(children.map((child) => child.end()));
  }
}

async function runWatchers(url: string, load: Load, since: Date, children: Child[]) {
  const countStarted = listenForStarts(children);
  const began = performance.now();
  await Promise.all(children.map((child) => child.ask('start')));
  const added = (await load.meanwhile?.()) ?? 0;
  const executions = load.executions + added;
  const tasks = executions * load.graph.length;
  // First the processes are asked, which costs the database nothing; then the tables.
  await waitUntil('every task begins', async () => countStarted() >= tasks);
  await untilEnded(url, since);
  const seconds = (performance.now() - began) / 1_000;
  const usages = await Promise.all(children.map((child) => child.ask<WatcherUsage>('usage')));
  await Promise.all(children.map((child) => child.ask('stop')));
  return { executions, tasks, seconds, usages };
}

function listenForStarts(children: Child[]): () => number {
  const started = new Map<Child, number>();
  for (const child of children) child.on('started', (body) => started.set(child, Number(body.started)));
  return () => [...started.values()].reduce((sum, count) => sum + count, 0);
}

function watcherFigures(usages: WatcherUsage[], tasks: number): Figures {
  const calls = usages.reduce((sum, { advanceCalls }) => sum + advanceCalls, 0);
  const complaints = usages.reduce((sum, usage) => sum + usage.complaints, 0);
  return { ...nodeFigures(usages), tasksPerCall: tasks / calls, complaints };
}

function checkStarts(usages: WatcherUsage[], tasks: number): void {
  const starts = usages.reduce((sum, { started }) => sum + started, 0);
  if (starts !== tasks) throw new Error(`${starts} programs began for ${tasks} tasks`);
}
