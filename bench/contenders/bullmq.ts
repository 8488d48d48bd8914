// BullMQ, on Postgres and, when one answers, on Redis. Its flows are trees: a chain is a parent with a child with a child.
import type { ConnectionOptions, FlowJob } from 'bullmq';
import type { Redis } from 'ioredis';
import { countTo, measureDrain } from '../probes/drain.ts';
import type { Case, Contender, Sample } from '../shape.ts';

const bullmqPostgres: Contender = {
  name: 'bullmq postgres',
  package: 'bullmq',
  async install(url) {
    const { Queue } = await openPostgres();
    const queue = new Queue(QUEUE, { connection: { connectionString: url, migrate: true } });
    await queue.waitUntilReady();
    await queue.close();
  },
};

const bullmqRedis: Contender = {
  name: 'bullmq redis',
  package: 'bullmq',
  install: async () => undefined,
  missing: async () => ((await answersRedis()) ? undefined : `no Redis answers at ${redisUrl()}`),
};

const QUEUE = 'bench';
const REDIS_PREFIX = 'umbel-bench';
// As many as did best on two cores; more only wait for each other.
const CONCURRENCY = { postgres: 20, redis: 100 };
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
  const settings = { workers: CONCURRENCY[on], claimAhead: 0, executions: flows, tasks };
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
      const connection = { connectionString: url, max: 10 };
      const worker = new Worker(QUEUE, work, { connection, concurrency: CONCURRENCY.postgres });
      worker.on('completed', onDone);
      await worker.waitUntilReady();
      return worker;
    },
  };
}

async function makeRedisParts(): Promise<Parts> {
  const { FlowProducer, Worker } = await import('bullmq');
  const options = { connection: redisConnection(), prefix: REDIS_PREFIX };
  const settings = await readDurability();
  await emptyRedis();
  const producer = new FlowProducer(options);
  return {
    settings,
    fill: (flows) => producer.addBulk(flows.map(withPrefix)),
    fillEnd: () => producer.close(),
    async startWorker(onDone) {
      const worker = new Worker(QUEUE, work, { ...options, concurrency: CONCURRENCY.redis });
      worker.on('completed', onDone);
      await worker.waitUntilReady();
      return {
        async close() {
          await worker.close();
          await emptyRedis();
        },
      };
    },
  };
}

/** Takes away what this run, or one that was killed, put there. */
async function emptyRedis(): Promise<void> {
  const { Queue } = await import('bullmq');
  const queue = new Queue(QUEUE, { connection: redisConnection(), prefix: REDIS_PREFIX });
  await queue.obliterate({ force: true });
  await queue.close();
}

function redisConnection(): ConnectionOptions {
  return { url: redisUrl(), maxRetriesPerRequest: null };
}

function withPrefix(flow: FlowJob): FlowJob {
  return { ...flow, prefix: REDIS_PREFIX, children: flow.children?.map(withPrefix) ?? [] };
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
