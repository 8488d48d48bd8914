// A small installation for one fault: a database, flows whose programs leave marks, callers that keep registering, and the final reckoning.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { TestDatabase } from './database.ts';
import type { FaultServer } from './fault-server.ts';
import { defineFlow } from './flows.ts';
import { findBreaches, findViolations, keepBooks } from './invariants.ts';
import { makeDirectory, startWatch, until, type Service } from './service.ts';

const PROGRAMS = fileURLToPath(new URL('programs', import.meta.url));
const ROUNDS = Number(process.env.FAULT_ROUNDS ?? 1);

export interface World extends TestDatabase {
  /** Settings of watchers and register servers: short leases, frequent looks. */
  env: Record<string, string>;
  /** Ids that were answered with yes. */
  accepted: Set<string>;
  /** Answers that were no, or none at all. */
  refused: () => number;
  /** `count` callers that post one after the other until the returned function is called; it resolves when the last has its answer. */
  load: (address: () => string, count?: number) => () => Promise<void>;
  watch: (env?: Record<string, string>) => Promise<Service>;
  /** One line for each start of a program. */
  starts: () => Promise<string[]>;
  untilFinished: (count: number) => Promise<void>;
  /** Waits until all has come to rest, and holds tables and marks against the promises. */
  reckon: (rest?: { mayLose?: boolean; seconds?: number }) => Promise<void>;
}

/** A test for each of FAULT_ROUNDS rounds, one by default. */
export function faultTest(name: string, body: () => Promise<void>): void {
  for (let round = 1; round <= ROUNDS; round += 1)
    test(ROUNDS === 1 ? name : `${name} (round ${round})`, body);
}

/** Flows `chain` (three steps), `fan` (1 → 4 → 1) and `slow` (two steps, the first of half a second). `lease` in milliseconds. */
export async function makeWorld(server: FaultServer, { lease = 1_000 } = {}): Promise<World> {
  const database = await server.createDatabase();
  const { db } = database;
  const file = path.join(await makeDirectory(), 'marks');
  onTestFinished(() => database.drop());
  await defineFlows(database, file);
  await keepBooks(db);
  const accepted = new Set<string>();
  let refused = 0;
  const env = { DATABASE_URL: database.url, PROGRAMS, LEASE: `${lease}ms`, POLL_INTERVAL: '500ms' };
  const starts = async () => (await readFile(file, 'utf8').catch(() => '')).split('\n').filter(Boolean);
  const world: World = {
    ...database,
    env,
    accepted,
    refused: () => refused,
    load: (address, count = 8) =>
      keepPosting(address, count, (id) => (id === undefined ? (refused += 1) : accepted.add(id))),
    watch: (rest = {}) => startWatch({ ...env, ...rest }),
    starts,
    async untilFinished(count) {
      await until(
        () => countRows(database, 'kr_task_stat where exec_status = 3'),
        (n) => n >= count,
      );
    },
    async reckon({ mayLose = false, seconds = 30 } = {}) {
      const evidence = async () => ({ accepted, starts: await starts(), mayLose });
      await expect
        .poll(async () => findViolations(db, await evidence()), { timeout: seconds * 1000, interval: 100 })
        .toEqual([]);
      expect(accepted.size).toBeGreaterThan(0);
    },
  };
  return world;
}

async function defineFlows({ db }: TestDatabase, file: string): Promise<void> {
  const step = { program: 'mark', params: { file } };
  const short = { program: 'mark', params: { file, ms: 5 } };
  const long = { program: 'mark', params: { file, ms: 500 } };
  const middle = Array.from({ length: 4 }, () => ({ ...short, depends: [1] }));
  await defineFlow(db, 'chain', [step, short, step]);
  await defineFlow(db, 'fan', [step, ...middle, { ...step, depends: [2, 3, 4, 5] }]);
  await defineFlow(db, 'slow', [long, step]);
}

const FLOWS = ['chain', 'fan', 'chain', 'fan', 'chain', 'fan', 'chain', 'slow'];

/** Milliseconds between the calls of one caller: the watchers shall keep up, for what counts is the fault. */
const PAUSE = 50;

function keepPosting(
  address: () => string,
  count: number,
  onAnswer: (id: string | undefined) => void,
): () => Promise<void> {
  let stopped = false;
  const call = async (at: number) => {
    for (let n = at * 3; !stopped; n += 1) {
      const id = await post(address(), FLOWS[n % FLOWS.length]!);
      onAnswer(id);
      await sleep(PAUSE);
    }
  };
  const callers = Array.from({ length: count }, (_, at) => call(at));
  return async () => {
    stopped = true;
    await Promise.all(callers);
  };
}

/** The execution's id, or undefined when the answer was no or none. */
export async function post(address: string, flow: string, body?: object): Promise<string | undefined> {
  try {
    const answer = await fetch(`${address}/register/${flow}`, {
      method: 'POST',
      signal: AbortSignal.timeout(30_000),
      ...(body ? { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } } : {}),
    });
    const { taskFlowId } = (await answer.json()) as { taskFlowId?: string };
    return taskFlowId;
  } catch {
    return undefined;
  }
}

export async function countRows({ db }: TestDatabase, from: string): Promise<number> {
  return Number((await db.pool.query<{ n: string }>(`select count(*) n from ${from}`)).rows[0]!.n);
}

/** Looks for breaches again and again while something goes on; throws the first. */
export async function guardWhile<T>({ db }: TestDatabase, work: Promise<T>): Promise<T> {
  let over = false;
  const guard = async () => {
    while (!over) {
      expect(await findBreaches(db)).toEqual([]);
      await sleep(20);
    }
  };
  const [result] = await Promise.all([work.finally(() => (over = true)), guard()]);
  return result;
}
