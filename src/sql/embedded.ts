// The Postgres that comes with the product: started, found again, adopted after its parent died, stopped. `umbel up` starts
// it, the other commands find it through the data directory. It runs on when its parent is killed, and is then adopted.
import { access, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { isUmbelError, messageOf, UmbelError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { chooseAccount, ownerOf, type Account } from './embedded-account.ts';
import { findBinaries } from './embedded-binaries.ts';
import * as files from './embedded-files.ts';
import {
  isAlive,
  launch,
  makeCluster,
  readPostmaster,
  stopPostmaster,
  SUPERUSER,
} from './embedded-postmaster.ts';
import type { Postmaster } from './embedded-postmaster.ts';

const DATABASE = 'umbel';

/** What a start may fail on and the next try mend: another process was faster, a crash left something behind. */
const TRANSIENT = /lock file|shared memory|could not create any TCP/;
const TRIES = 40;
const PAUSE_MS = 250;

export interface Embedded {
  url: string;
  /** Stops the server cleanly; does nothing when another living process owns it. */
  stop: () => Promise<void>;
}

interface Place {
  cluster: string;
  account: Account | undefined;
  passwordFile: string;
  password: string;
}

interface Options {
  dataDir: string;
  log: Logger;
  /** For tests: nothing is synced to disk. */
  fast?: boolean;
}

/** A server for that data directory: the one that runs already, or a new one. Throws DATA_DIR_UNUSABLE, EMBEDDED_FAILED. */
export async function startEmbedded(options: Options): Promise<Embedded> {
  try {
    return await start(options);
  } catch (cause) {
    throw isUmbelError(cause)
      ? cause
      : new UmbelError('EMBEDDED_FAILED', { reason: messageOf(cause) }, { cause });
  }
}

/** The address of the server that runs for that data directory; undefined when none does. Throws DATA_DIR_UNUSABLE. */
export async function findEmbedded(dataDir: string): Promise<string | undefined> {
  const record = await files.readRecord(dataDir);
  const running = record && (await untilReady(record.cluster));
  if (!running) return undefined;
  const url = new URL(record.url);
  url.port = String(running.port);
  return url.href;
}

async function start({ dataDir, log, fast = false }: Options): Promise<Embedded> {
  await files.prepareDataDir(dataDir);
  const place = await preparePlace(dataDir, log);
  const adopted = await untilReady(place.cluster);
  const postmaster = adopted ?? (await startServer(place, dataDir, fast, log));
  await ensureDatabase(urlOf(place, postmaster, 'postgres'));
  const url = urlOf(place, postmaster, DATABASE);
  const owner = (adopted && (await livingOwner(dataDir))) ?? process.pid;
  await files.writeRecord(dataDir, { url, pid: postmaster.pid, cluster: place.cluster, owner });
  log.info(
    { cluster: place.cluster, port: postmaster.port, adopted: adopted !== undefined },
    'embedded Postgres is ready',
  );
  return { url, stop: () => stopOwn(dataDir, postmaster, place.cluster) };
}

/** Of several that start at once, and of those that come later, the record names the one who stops the server. */
async function stopOwn(dataDir: string, postmaster: Postmaster, cluster: string): Promise<void> {
  const record = await files.readRecord(dataDir);
  if (record === undefined || record.owner === process.pid) await stopPostmaster(postmaster, cluster);
}

async function preparePlace(dataDir: string, log: Logger): Promise<Place> {
  const newcomer = await chooseAccount();
  const home = await files.chooseHome(dataDir, newcomer, log);
  const account = (await ownerOf(home)) ?? newcomer;
  await files.prepareHome(home, account);
  const { file, password } = await files.ensurePassword(home, account);
  return { cluster: path.join(home, 'data'), account, passwordFile: file, password };
}

async function startServer(place: Place, dataDir: string, fast: boolean, log: Logger): Promise<Postmaster> {
  const binaries = await findBinaries(place.account, place.account ? await files.openPlace() : dataDir, log);
  const server = { ...place, binaries, fast };
  if (!(await exists(path.join(place.cluster, 'PG_VERSION')))) await makeCluster(server, place.passwordFile);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return (await untilReady(place.cluster)) ?? (await launch(server, await freePort()));
    } catch (error) {
      if (attempt === TRIES || !TRANSIENT.test(messageOf(error))) throw error;
      await clearStalePidFile(place.cluster);
    }
    await sleep(PAUSE_MS);
  }
}

/** Waits out a start, a recovery or a shutdown that is under way; undefined when no server runs after all. */
async function untilReady(cluster: string): Promise<Postmaster | undefined> {
  for (;;) {
    const postmaster = await readPostmaster(cluster);
    if (!postmaster || postmaster.ready) return postmaster;
    await sleep(PAUSE_MS / 10);
  }
}

/** Postgres takes any living process with the recorded id for its predecessor, after a reboot or in a new container too. */
async function clearStalePidFile(cluster: string): Promise<void> {
  if (!(await readPostmaster(cluster))) await rm(path.join(cluster, 'postmaster.pid'), { force: true });
}

async function livingOwner(dataDir: string): Promise<number | undefined> {
  const owner = (await files.readRecord(dataDir))?.owner;
  return owner !== undefined && isAlive(owner) ? owner : undefined;
}

async function ensureDatabase(url: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`).catch(ignoreDuplicate);
  } finally {
    await client.end();
  }
}

/** Another process made it at the same moment. */
function ignoreDuplicate(error: unknown): void {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code !== '23505' && code !== '42P04') throw error;
}

function urlOf({ password }: Place, { port }: Postmaster, database: string): string {
  return `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/${database}`;
}

function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
