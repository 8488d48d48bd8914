// BullMQ, on Postgres and, when one answers, on Redis. Its flows are trees: a chain is a parent with a child with a child.
import type { ConnectionOptions, FlowJob } from 'bullmq';
import type { Redis } from 'ioredis';
import { countTo, measureDrain } from '../probes/drain.ts';
import type { Case, Contender, Sample } from '../shape.ts';

export const bullmqPostgres: Contender = {
  name: 'bullmq postgres',
  package: 'bullmq',
  async install(url) {
    const { Queue } = await openPostgres();
    const queue = new Queue(QUEUE, { connection: { connectionString: url, migrate: true } });
    await queue.waitUntilReady();
    await queue.close();
  },
};

export const bullmqRedis: Contender = {
  name: 'bullmq redis',
  package: 'bullmq',
  install: async () => undefined,
  missing: async () => ((await answersRedis()) ? undefined : `no Redis answers at ${redisUrl()}`),
};

const QUEUE = 'bench';
const CONCURRENCY = 100;
const ADDED_AT_ONCE = 500;

/** A backlog of chains that long, worked off by one worker. */
export function drainCase(on: 'postgres' | 'redis', length: number, share = 1): Case {
  return {
    contender: on === 'postgres' ? bullmqPostgres : bullmqRedis,
    run: ({ url, tasks }) => drain(on, url, Math.max(1, Math.round((tasks * share) / length)), length),
  };
}

interface Parts {
  settings: Record<string, string>;
  fill: (flows: FlowJob[]) => Promise<unknown>;
  fillEnd: () => Promise<void>;
  startWorker: (onDone: () => void) => Promise<{ close: () => Promise<void> }>;
}

async function drain(on: 'postgres' | 'redis', url: string, flows: number, length: number): Promise<Sample> {
  const parts = on === 'postgres' ? await makePostgresParts(url) : await makeRedisParts();
  for (let left = flows; left > 0; left -= ADDED_AT_ONCE)
    await parts.fill(Array.from({ length: Math.min(left, ADDED_AT_ONCE) }, () => chainJob(length)));
  await parts.fillEnd();
  const tasks = flows * length;
  const { count, reached } = countTo(tasks);
  let worker: { close: () => Promise<void> } | undefined;
  const run = async () => {
    worker = await parts.startWorker(count);
    await reached;
  };
  const figures = await measureDrain(url, tasks, { run, close: async () => worker?.close() });
  const settings = { workers: CONCURRENCY, claimAhead: 0, executions: flows, tasks };
  return { figures, settings: { ...settings, ...parts.settings } };
}

function chainJob(length: number): FlowJob {
  const children = length > 1 ? [chainJob(length - 1)] : [];
  return { name: 'step', queueName: QUEUE, data: {}, children };
}

const work = async () => ({ ok: true });

async function openPostgres() {
  const { createPostgresBackend, withBackend } = await import('bullmq');
  return withBackend(createPostgresBackend);
}

async function makePostgresParts(url: string): Promise<Parts> {
  const { FlowProducer, Worker } = await openPostgres();
  const producer = new FlowProducer({ connection: { connectionString: url, max: 10 } });
  return {
    settings: {},
    fill: (flows) => producer.addBulk(flows),
    fillEnd: () => producer.close(),
    async startWorker(onDone) {
      const connection = { connectionString: url, max: 20 };
      const worker = new Worker(QUEUE, work, { connection, concurrency: CONCURRENCY });
      worker.on('completed', onDone);
      await worker.waitUntilReady();
      return worker;
    },
  };
}

async function makeRedisParts(): Promise<Parts> {
  const { FlowProducer, Queue, Worker } = await import('bullmq');
  const connection: ConnectionOptions = { url: redisUrl(), maxRetriesPerRequest: null };
  const prefix = `umbel-bench-${process.pid}`;
  const producer = new FlowProducer({ connection, prefix });
  return {
    settings: await readDurability(),
    fill: (flows) => producer.addBulk(flows.map((flow) => withPrefix(flow, prefix))),
    fillEnd: () => producer.close(),
    async startWorker(onDone) {
      const worker = new Worker(QUEUE, work, { connection, prefix, concurrency: CONCURRENCY });
      worker.on('completed', onDone);
      await worker.waitUntilReady();
      return {
        async close() {
          await worker.close();
          const queue = new Queue(QUEUE, { connection, prefix });
          await queue.obliterate({ force: true });
          await queue.close();
        },
      };
    },
  };
}

function withPrefix(flow: FlowJob, prefix: string): FlowJob {
  return { ...flow, prefix, children: flow.children?.map((child) => withPrefix(child, prefix)) ?? [] };
}

function redisUrl(): string {
  return process.env.REDIS_URL ?? 'redis://127.0.0.1:6379';
}

async function answersRedis(): Promise<boolean> {
  return (await askRedis((redis) => redis.ping()).catch(() => undefined)) === 'PONG';
}

/** A Redis that syncs now and then, or never, promises less than Postgres: the result says which it was. */
async function readDurability(): Promise<Record<string, string>> {
  const answer = await askRedis((redis) => redis.config('GET', 'append*'));
  const [appendonly, appendfsync] = ['appendonly', 'appendfsync'].map((name) => findSetting(answer, name));
  return { appendonly: appendonly ?? 'unknown', appendfsync: appendfsync ?? 'unknown' };
}

function findSetting(answer: unknown, name: string): string | undefined {
  if (!Array.isArray(answer)) return undefined;
  const at = answer.indexOf(name);
  return at === -1 ? undefined : String(answer[at + 1]);
}

async function askRedis<Answer>(question: (redis: Redis) => Promise<Answer>): Promise<Answer> {
  const { Redis } = await import('ioredis');
  const redis = new Redis(redisUrl(), {
    lazyConnect: true,
    retryStrategy: () => null,
    connectTimeout: 1_000,
  });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return await question(redis);
  } finally {
    redis.disconnect();
  }
}
