// Umbel at rest: the cases of the latency shape.
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { umbel } from '../contenders/umbel.ts';
import { chain, FLAT, type Graph } from '../graphs.ts';
import { startChild } from '../processes/child.ts';
import { describeLatencies } from '../statistics.ts';
import type { Case, Sample } from '../shape.ts';
import { defineFlow, openRegistrar, registerOne } from './flows.ts';
import { NOOP, type OnStart } from './programs.ts';
import { makeStarts, millisecondsBetween, type Starts } from '../probes/starts.ts';
import { untilEnded, verifyRun } from './verify.ts';
import { openWatching, WORKERS } from './watching.ts';

const FLOW = 'bench';
const SAMPLES = 300;
const WARM_UP = 30;
const STARTED = WARM_UP + SAMPLES;
const REST_MS = 5;
const EVER = new Date(0);
const CHAIN_LENGTH = 40;
const CHAIN_SAMPLES = 30;

export const inProcessLatencies: Case = {
  contender: umbel,
  async run({ url }) {
    const starts = makeStarts();
    const at = await openAll(url, FLAT, NOOP, ({ execution }) =>
      starts.note(execution.id, process.hrtime.bigint()),
    );
    const latencies = await sampleStarts(starts, at.register);
    await untilEnded(url, EVER);
    await at.close();
    await verifyRun(url, { since: EVER, executions: STARTED, tasks: STARTED });
    return startSample(latencies);
  },
};

export const httpLatencies: Case = {
  contender: umbel,
  async run({ url }) {
    await define(url, FLAT, NOOP);
    const starts = makeStarts();
    const server = await startChild('register-server', { url, watch: true, workers: WORKERS });
    server.on('start', ({ id, at }) => starts.note(String(id), BigInt(String(at))));
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    try {
      const target = `${String(server.ready.address)}/register/${FLOW}`;
      const latencies = await sampleStarts(starts, () => post(target, agent));
      await untilEnded(url, EVER);
      await server.ask('stop');
      await verifyRun(url, { since: EVER, executions: STARTED, tasks: STARTED });
      return startSample(latencies);
    } finally {
      agent.destroy();
      await server.end();
    }
  },
};

/** The program is the built-in `empty`, as a user would take it. */
export const chainLatencies: Case = {
  contender: umbel,
  async run({ url }) {
    let times: bigint[] = [];
    let ended = () => {};
    const at = await openAll(url, chain(CHAIN_LENGTH), 'empty', () => {
      times.push(process.hrtime.bigint());
      if (times.length === CHAIN_LENGTH) ended();
    });
    const hops: number[] = [];
    const chains: number[] = [];
    for (let i = 0; i <= CHAIN_SAMPLES; i += 1) {
      times = [];
      const end = new Promise<void>((resolve) => (ended = resolve));
      const began = process.hrtime.bigint();
      await at.register();
      await end;
      const last = times.at(-1) ?? began;
      await sleep(REST_MS);
      if (i === 0) continue;
      chains.push(millisecondsBetween(began, last));
      hops.push(...times.slice(1).map((time, hop) => millisecondsBetween(times[hop] ?? time, time)));
    }
    await untilEnded(url, EVER);
    await at.close();
    const executions = CHAIN_SAMPLES + 1;
    await verifyRun(url, { since: EVER, executions, tasks: executions * CHAIN_LENGTH });
    return {
      figures: { ...describeLatencies('chain', chains), ...describeLatencies('hop', hops) },
      settings: { workers: WORKERS, steps: CHAIN_LENGTH, samples: CHAIN_SAMPLES },
    };
  },
};

async function sampleStarts(starts: Starts, register: () => Promise<string>): Promise<number[]> {
  const latencies: number[] = [];
  for (let i = 0; i < STARTED; i += 1) {
    const began = process.hrtime.bigint();
    const latency = millisecondsBetween(began, await starts.first(await register()));
    if (i >= WARM_UP) latencies.push(latency);
    await sleep(REST_MS);
  }
  return latencies;
}

function startSample(latencies: number[]): Sample {
  return {
    figures: describeLatencies('start', latencies),
    settings: { workers: WORKERS, claimAhead: 0, samples: SAMPLES },
  };
}

/** Registrar and watcher in this process, as `umbel up` has them. */
async function openAll(url: string, graph: Graph, program: string, onStart: OnStart) {
  await define(url, graph, program);
  const watching = openWatching({ url, workers: WORKERS }, onStart);
  const registrar = openRegistrar(url, watching.hint);
  await watching.start();
  return {
    register: () => registerOne(registrar.register, FLOW),
    close: async () => {
      await watching.stop();
      await registrar.close();
    },
  };
}

async function define(url: string, graph: Graph, program: string): Promise<void> {
  const { db, close } = openRegistrar(url);
  await defineFlow(db, { id: FLOW, graph, program });
  await close();
}

function post(target: string, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request(target, { method: 'POST', agent }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      answer.once('end', () => {
        const { taskFlowId } = JSON.parse(body) as { taskFlowId?: string };
        if (taskFlowId === undefined) reject(new Error(`registering failed: ${body}`));
        else resolve(taskFlowId);
      });
    });
    sent.once('error', reject);
    sent.end();
  });
}
