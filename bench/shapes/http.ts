// Single registrations over HTTP, 64 clients with kept connections in a process of their own, beside a route of the same
// framework that does nothing. Nothing watches meanwhile.
import { umbel } from '../contenders/umbel.ts';
import { startChild } from '../processes/child.ts';
import { probeDatabase } from '../probes/database.ts';
import { nodeFigures, type NodeUsage } from '../probes/node.ts';
import type { CaseContext, Figures, Sample, Shape } from '../shape.ts';
import { defineFlow, openRegistrar } from '../umbel/flows.ts';
import { NOOP } from '../umbel/programs.ts';
import { countRegistered } from '../umbel/verify.ts';
import { CHAIN } from './chain.ts';

const CLIENTS = 64;
const FLOW = 'bench';

export const http: Shape = {
  name: 'http',
  title: 'HTTP: single registrations of a three-step flow, 64 clients',
  headline: { figure: 'requestsPerSecond', unit: 'requests/s', better: 'more' },
  cases: {
    register: { contender: umbel, run: register },
    'no-op route': { contender: umbel, run: noop },
  },
};

interface Loaded {
  seconds: number;
  answered: number;
  failed: number;
  firstFailure?: string;
  requestP50Ms: number;
  requestP99Ms: number;
}

async function register({ url, tasks }: CaseContext): Promise<Sample> {
  const { db, close } = openRegistrar(url);
  await defineFlow(db, { id: FLOW, graph: CHAIN, program: NOOP });
  await close();
  const { done, figures } = await probeDatabase(url, async () => {
    const server = await startChild('register-server', { url, watch: false, workers: 0 });
    try {
      const loaded = await load(String(server.ready.address), tasks);
      const usage = await server.ask<NodeUsage>('usage');
      await server.ask('stop');
      return { loaded, usage, tasks: loaded.answered * CHAIN.length };
    } finally {
      await server.end();
    }
  });
  const stored = await countRegistered(url);
  if (stored !== done.tasks) throw new Error(`${stored} tasks are stored, ${done.tasks} were registered`);
  const tasksPerSecond = done.tasks / done.loaded.seconds;
  return {
    figures: { ...loadFigures(done.loaded), tasksPerSecond, ...figures, ...nodeFigures([done.usage]) },
    settings: { clients: CLIENTS, executions: done.loaded.answered, steps: CHAIN.length },
  };
}

async function noop({ tasks }: CaseContext): Promise<Sample> {
  const server = await startChild('noop-server', {});
  try {
    const loaded = await load(String(server.ready.address), tasks);
    return { figures: loadFigures(loaded), settings: { clients: CLIENTS, requests: loaded.answered } };
  } finally {
    await server.end();
  }
}

async function load(address: string, requests: number): Promise<Loaded> {
  const clients = await startChild('http-load', { address, path: `/register/${FLOW}`, clients: CLIENTS });
  try {
    const loaded = await clients.ask<Loaded>('run', { requests });
    if (loaded.failed > 0) throw new Error(`${loaded.failed} requests failed: ${loaded.firstFailure}`);
    return loaded;
  } finally {
    await clients.end();
  }
}

function loadFigures({ seconds, answered, requestP50Ms, requestP99Ms }: Loaded): Figures {
  return { requestsPerSecond: answered / seconds, seconds, requestP50Ms, requestP99Ms };
}
