// Global set-up of the integration and e2e projects: one server for the run, with a migrated template database. The server
// of TEST_DATABASE_URL, else a container when a Docker engine answers, else the embedded one. PostgreSQL 15 besides, if any.
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { Client } from 'pg';
import type { TestProject } from 'vitest/node';
import { messageOf } from '../../src/errors.ts';
import { migrateUp } from '../../src/sql/migrate.ts';
import { askServer, urlOfDatabase } from './server.ts';
import { startTemporary, type Server } from './temporary-server.ts';

const POSTGRES_15 = 'postgres://postgres@127.0.0.1:5432/postgres';

/** Where tests make their databases: an administrator's address and the database to clone. */
export interface TestServer {
  url: string;
  template: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    server: TestServer;
    /** PostgreSQL 15, or null when none answers. */
    server15: TestServer | null;
  }
}

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const stops: (() => Promise<void>)[] = [];
  const tearDown = async () => {
    for (const stop of stops.splice(0).toReversed()) await stop();
  };
  try {
    const server = await startServer();
    stops.push(server.stop);
    project.provide('server', await withTemplate(server.url, stops));
    const has15 = await isPostgres15();
    if (!has15) say(`No PostgreSQL 15 answers at ${POSTGRES_15}: its tests are skipped.`);
    project.provide('server15', has15 ? await withTemplate(POSTGRES_15, stops) : null);
  } catch (error) {
    await tearDown();
    throw error;
  }
  return tearDown;
}

async function startServer(): Promise<Server> {
  const given = process.env.TEST_DATABASE_URL;
  if (given) return { url: given, stop: async () => undefined };
  return (await startContainer()) ?? startTemporary();
}

async function startContainer(): Promise<Server | undefined> {
  if (!(await isDockerThere())) return undefined;
  try {
    const { PostgreSqlContainer } = await import('@testcontainers/postgresql');
    const container = await new PostgreSqlContainer('postgres:18').start();
    return { url: container.getConnectionUri(), stop: async () => void (await container.stop()) };
  } catch (error) {
    say(`Docker answers but starts no postgres:18, so the embedded server is used: ${messageOf(error)}`);
    return undefined;
  }
}

/** A Docker engine of this machine that answers within a second. Podman's stand-in for it does not run health checks. */
function isDockerThere(): Promise<boolean> {
  const host = process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock';
  if (!host.startsWith('unix://')) return Promise.resolve(true);
  return new Promise((resolve) => {
    const asked = request(
      { socketPath: host.slice('unix://'.length), path: '/_ping', timeout: 1_000 },
      (answer) => {
        answer.resume();
        resolve(answer.statusCode === 200 && answer.headers['libpod-api-version'] === undefined);
      },
    );
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(false));
    asked.end();
  });
}

async function isPostgres15(): Promise<boolean> {
  const client = new Client({ connectionString: POSTGRES_15, connectionTimeoutMillis: 1_000 });
  try {
    await client.connect();
    const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
    return rows[0]?.server_version.startsWith('15.') ?? false;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function withTemplate(url: string, stops: (() => Promise<void>)[]): Promise<TestServer> {
  const template = `umbel_template_${randomBytes(4).toString('hex')}`;
  await askServer(url, `CREATE DATABASE ${template}`);
  stops.push(() => askServer(url, `DROP DATABASE ${template} WITH (FORCE)`));
  await migrateUp({ url: urlOfDatabase(url, template) });
  return { url, template };
}

function say(notice: string): void {
  process.stderr.write(`${notice}\n`);
}
