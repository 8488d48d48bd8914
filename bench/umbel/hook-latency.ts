// Synchronous hooks: so many calls a second, evenly, each waiting for the result of its flow. A case of the hooks shape.
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { umbel } from '../contenders/umbel.ts';
import { startChild } from '../processes/child.ts';
import type { Case } from '../shape.ts';
import { describeLatencies } from '../statistics.ts';
import { defineFlow, openRegistrar } from './flows.ts';
import { NOOP } from './programs.ts';
import { WORKERS } from './watching.ts';

const FLOW = 'bench';
const TWO_STEPS = [[], [1]];
const PER_SECOND = 200;
const SECONDS = 10;
const WARM_UP = 50;

export const synchronousCalls: Case = {
  contender: umbel,
  async run({ url }) {
    const { db, close } = openRegistrar(url);
    await defineFlow(db, { id: FLOW, graph: TWO_STEPS, program: NOOP });
    const settings = { flowSettings: { webhooks: { mode: 'sync', maxWaiters: 1_000 } } };
    await db.pool.query(`update ms_flow set status = 'active', settings = $2 where task_id = $1`, [
      FLOW,
      settings,
    ]);
    await close();
    const server = await startChild('register-server', { url, watch: true, workers: WORKERS });
    const agent = new Agent({ keepAlive: true });
    try {
      const target = `${String(server.ready['address'])}/hook/${FLOW}`;
      for (let at = 0; at < WARM_UP; at += 1) await call(target, agent);
      const atRest = [];
      for (let at = 0; at < WARM_UP; at += 1) atRest.push(await call(target, agent));
      const latencies = await callEvenly(target, agent);
      await server.ask('stop');
      return {
        figures: { ...describeLatencies('rest', atRest), ...describeLatencies('sync', latencies) },
        settings: { callsPerSecond: PER_SECOND, calls: latencies.length, steps: TWO_STEPS.length },
      };
    } finally {
      agent.destroy();
      await server.end();
    }
  },
};

/** Calls at their times, however long the ones before take; gives how long each took. */
async function callEvenly(target: string, agent: Agent): Promise<number[]> {
  const began = performance.now();
  const calls: Promise<number>[] = [];
  for (let at = 0; at < PER_SECOND * SECONDS; at += 1) {
    const wait = began + (at * 1_000) / PER_SECOND - performance.now();
    if (wait > 0) await sleep(wait);
    calls.push(call(target, agent));
  }
  return Promise.all(calls);
}

/** Milliseconds to the end of the answer. */
function call(target: string, agent: Agent): Promise<number> {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const sent = request(target, { agent, method: 'POST' }, (response) => {
      if (response.statusCode !== 200) return reject(new Error(`the hook answered ${response.statusCode}`));
      response.resume().once('end', () => resolve(performance.now() - began));
    });
    sent.once('error', reject).end();
  });
}
