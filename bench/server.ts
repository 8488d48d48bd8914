// The one Postgres of a run: DATABASE_URL's, or an embedded one in a directory of its own with durable settings.
// Makes a template database for each contender and clones it for each case. Called by run.ts and rounds.ts.
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { silentLogger } from '../src/log.ts';
import { readRecord } from '../src/sql/embedded-files.ts';
import { isAlive } from '../src/sql/embedded-postmaster.ts';
import { findEmbedded, startEmbedded } from '../src/sql/embedded.ts';
import type { Contender } from './shape.ts';

export interface Server {
  kind: 'embedded' | 'DATABASE_URL';
  url: string;
  stop: () => Promise<void>;
}

const TEMPORARY = 'umbel-bench-';

export async function startServer(given: string | undefined): Promise<Server> {
  if (given) return { kind: 'DATABASE_URL', url: given, stop: async () => undefined };
  await sweepOrphans();
  const dataDir = await mkdtemp(path.join(tmpdir(), TEMPORARY));
  await chmod(dataDir, 0o755);
  const embedded = await startEmbedded({ dataDir, log: silentLogger() });
  const stop = async () => {
    await embedded.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
  return { kind: 'embedded', url: embedded.url, stop };
}

/** A run that was killed leaves its server behind: those whose owner is gone are ended here. */
async function sweepOrphans(): Promise<void> {
  const names = (await readdir(tmpdir())).filter((name) => name.startsWith(TEMPORARY));
  for (const dataDir of names.map((name) => path.join(tmpdir(), name))) {
    const record = await readRecord(dataDir).catch(() => undefined);
    if (!record || isAlive(record.owner)) continue;
    if (await findEmbedded(dataDir)) process.kill(record.pid, 'SIGQUIT');
    await rm(dataDir, { recursive: true, force: true });
  }
}

const PREFIX = 'umbel_bench';
// What decides how fast a commit is, and how fair a comparison.
const SETTINGS = [
  'fsync',
  'synchronous_commit',
  'full_page_writes',
  'shared_buffers',
  'max_wal_size',
  'wal_level',
  'autovacuum',
  'jit',
];

/** The server's version and the settings that figures depend on. */
export async function describeServer(url: string): Promise<Record<string, string>> {
  return ask(url, async (client) => {
    const { rows } = await client.query<{ name: string; setting: string }>(
      `select name, current_setting(name) setting from pg_settings where name = any ($1)`,
      [['server_version', ...SETTINGS]],
    );
    return Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
  });
}

/** Makes the contender's template database; returns the name. */
export async function makeTemplate(server: string, contender: Contender): Promise<string> {
  const name = `${PREFIX}_${contender.name.replaceAll(/\W+/g, '_').toLowerCase()}`;
  await dropDatabase(server, name);
  await ask(server, (client) => client.query(`create database ${name} template template0`));
  await contender.install(urlOfDatabase(server, name));
  return name;
}

/** A database of its own for a case; returns its address. */
export async function cloneDatabase(server: string, template: string, suffix = 'case'): Promise<string> {
  const name = `${template}_${suffix}`;
  await dropDatabase(server, name);
  await ask(server, (client) => client.query(`create database ${name} template ${template}`));
  return urlOfDatabase(server, name);
}

export async function dropDatabase(server: string, name: string): Promise<void> {
  await ask(server, (client) => client.query(`drop database if exists ${name} with (force)`));
}

export function nameOfDatabase(url: string): string {
  return new URL(url).pathname.slice(1);
}

function urlOfDatabase(server: string, name: string): string {
  const url = new URL(server);
  url.pathname = `/${name}`;
  return url.href;
}

async function ask<Answer>(url: string, question: (client: Client) => Promise<Answer>): Promise<Answer> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    return await question(client);
  } finally {
    await client.end();
  }
}
