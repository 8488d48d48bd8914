// Webhooks: single calls with a small JSON body, 64 clients with kept connections in a process of their own, beside the register route
// under the same load; and synchronous hooks of a two-step flow, 200 calls a second, in one process with the watcher.
import { umbel } from '../contenders/umbel.ts';
import { startChild } from '../processes/child.ts';
import { nodeFigures, type NodeUsage } from '../probes/node.ts';
import type { CaseContext, Sample, Shape } from '../shape.ts';
import { defineFlow, openRegistrar } from '../umbel/flows.ts';
import { synchronousCalls } from '../umbel/hook-latency.ts';
import { NOOP } from '../umbel/programs.ts';
import { countRegistered } from '../umbel/verify.ts';
import { CHAIN } from './chain.ts';

const CLIENTS = 64;
const FLOW = 'bench';
const BODY = JSON.stringify({ order: 7, customer: 'Ada', lines: [{ item: 'tea', count: 2 }] });

export const hooks: Shape = {
  name: 'hooks',
  title: 'Webhooks: single calls of a three-step flow, 64 clients; synchronous calls',
  headline: { figure: 'requestsPerSecond', unit: 'requests/s', better: 'more' },
  cases: {
    webhook: { contender: umbel, run: (context) => load(context, `/hook/${FLOW}`, BODY) },
    register: {
      contender: umbel,
      run: (context) => load(context, `/register/${FLOW}`, JSON.stringify({ input: JSON.parse(BODY) })),
    },
    synchronous: synchronousCalls,
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

async function load({ url, tasks }: CaseContext, path: string, body: string): Promise<Sample> {
  const { db, close } = openRegistrar(url);
  await defineFlow(db, { id: FLOW, graph: CHAIN, program: NOOP });
  await db.pool.query(`update ms_flow set status = 'active' where task_id = $1`, [FLOW]);
  await close();
  const server = await startChild('register-server', { url, watch: false, workers: 0 });
  const clients = await startChild('http-load', {
    address: String(server.ready['address']),
    path,
    clients: CLIENTS,
    body,
  });
  try {
    const { seconds, answered, failed, firstFailure, ...latencies } = await clients.ask<Loaded>('run', {
      requests: tasks,
    });
    if (failed > 0) throw new Error(`${failed} requests failed: ${firstFailure}`);
    const usage = await server.ask<NodeUsage>('usage');
    await server.ask('stop');
    const stored = await countRegistered(url);
    if (stored !== answered * CHAIN.length)
      throw new Error(`${stored} tasks are stored, ${answered * CHAIN.length} were registered`);
    return {
      figures: { requestsPerSecond: answered / seconds, seconds, ...latencies, ...nodeFigures([usage]) },
      settings: { clients: CLIENTS, executions: answered, steps: CHAIN.length },
    };
  } finally {
    await clients.end();
    await server.end();
  }
}
