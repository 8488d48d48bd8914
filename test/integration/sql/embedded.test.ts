import { spawn, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, cp, mkdir, mkdtemp, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { makeLogger, silentLogger } from '../../../src/log.ts';
import { canEnter, canRun, chooseAccount } from '../../../src/sql/embedded-account.ts';
import { findBinaries, shippedDir } from '../../../src/sql/embedded-binaries.ts';
import { readRecord } from '../../../src/sql/embedded-files.ts';
import { isAlive } from '../../../src/sql/embedded-postmaster.ts';
import { findEmbedded, startEmbedded } from '../../../src/sql/embedded.ts';

const account = await chooseAccount();
const isRoot = account !== undefined;
const checkout = fileURLToPath(new URL('../../..', import.meta.url));
const othersCanRunUs =
  account && (await canRun(account, process.execPath, ['--version'])) && (await canEnter(account, checkout));

const made: string[] = [];
afterEach(async () => {
  for (const dataDir of made.splice(0)) {
    const record = await readRecord(dataDir).catch(() => undefined);
    if (record && (await findEmbedded(dataDir))) process.kill(record.pid, 'SIGQUIT');
    if (record) await rm(path.dirname(record.cluster), { recursive: true, force: true });
    await rm(dataDir, { recursive: true, force: true });
  }
});

async function makeDataDir(mode = 0o755): Promise<string> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'umbel-test-data-'));
  await chmod(dataDir, mode);
  made.unshift(dataDir);
  return dataDir;
}

const start = (dataDir: string) => startEmbedded({ dataDir, log: silentLogger(), fast: true });

async function ask(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}

/** Starts the server from another process; resolves with that process once the server is ready. */
async function startElsewhere(dataDir: string, options: SpawnOptions = {}) {
  const script = path.join(checkout, 'test', 'support', 'embedded-child.ts');
  const child = spawn(process.execPath, [script, dataDir], {
    cwd: '/',
    stdio: ['pipe', 'pipe', 'inherit'],
    ...options,
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  if (!child.stdout) throw new Error('the child has no standard output');
  const [url] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { child, url, exited: once(child, 'exit') };
}

async function pidOf(dataDir: string): Promise<number> {
  const record = await readRecord(dataDir);
  if (!record) throw new Error(`${dataDir} has no record`);
  return record.pid;
}

test('starts a server, is found while it runs and not afterwards', async () => {
  const dataDir = path.join(await makeDataDir(), 'made', 'on', 'the', 'way');
  const { url, stop } = await start(dataDir);
  expect(await findEmbedded(dataDir)).toBe(url);
  expect(await ask(url, 'SELECT current_database() AS db')).toEqual([{ db: 'umbel' }]);
  const pid = await pidOf(dataDir);
  await stop();
  expect(isAlive(pid)).toBe(false);
  expect(await findEmbedded(dataDir)).toBeUndefined();
});

test('keeps its rows over a stop and a start', async () => {
  const dataDir = await makeDataDir();
  const first = await start(dataDir);
  await ask(first.url, 'CREATE TABLE kept AS SELECT 7 AS n');
  await first.stop();
  const second = await start(dataDir);
  expect(await ask(second.url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
  await second.stop();
});

test('syncs to disk, checks its pages, sorts by code point, and has room for a fleet of clients', async () => {
  const dataDir = await makeDataDir();
  const { url, stop } = await startEmbedded({ dataDir, log: silentLogger() });
  const names = [
    'fsync',
    'full_page_writes',
    'synchronous_commit',
    'data_checksums',
    'max_connections',
    'server_encoding',
  ];
  const rows = await ask(
    url,
    `SELECT string_agg(current_setting(name), ' ' ORDER BY ord) AS values,
    (SELECT datlocprovider::text || ' ' || datlocale FROM pg_database WHERE datname = current_database()) AS locale
    FROM unnest('{${names.join(',')}}'::text[]) WITH ORDINALITY AS s (name, ord)`,
  );
  expect(rows).toEqual([{ values: 'on on on on 200 UTF8', locale: 'b C.UTF-8' }]);
  await stop();
});

test('lets in nobody without the password, which only the owner can read', async () => {
  const dataDir = await makeDataDir();
  const { url, stop } = await start(dataDir);
  const wrong = new URL(url);
  wrong.password = 'guessed';
  await expect(ask(wrong.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
  expect((await stat(path.join(dataDir, 'postgres.json'))).mode & 0o777).toBe(0o600);
  expect((await stat(path.join(dataDir, 'postgres'))).mode & 0o777).toBe(0o700);
  expect(
    await ask(
      url,
      `SELECT current_setting('listen_addresses') AS a, current_setting('unix_socket_directories') AS s`,
    ),
  ).toEqual([{ a: '127.0.0.1', s: '' }]);
  await stop();
});

test('adopts the server of a killed parent, and then stops it', async () => {
  const dataDir = await makeDataDir();
  const { child, url, exited } = await startElsewhere(dataDir);
  const pid = await pidOf(dataDir);
  child.kill('SIGKILL');
  await exited;
  expect(await findEmbedded(dataDir)).toBe(url);
  const adopted = await start(dataDir);
  expect([adopted.url, await pidOf(dataDir)]).toEqual([url, pid]);
  await adopted.stop();
  expect(await findEmbedded(dataDir)).toBeUndefined();
  await expect(ask(url, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test('leaves the server of another living process alone', async () => {
  const dataDir = await makeDataDir();
  const { url } = await startElsewhere(dataDir);
  const guest = await start(dataDir);
  await guest.stop();
  expect(guest.url).toBe(url);
  expect(await findEmbedded(dataDir)).toBe(url);
});

test('does not hear the Ctrl-C that its parent gets', async () => {
  const dataDir = await makeDataDir();
  const { child, url, exited } = await startElsewhere(dataDir, { detached: true });
  process.kill(-(child.pid ?? 0), 'SIGINT');
  await exited;
  expect(await ask(url, 'SELECT 1 AS up')).toEqual([{ up: 1 }]);
});

test('recovers what was committed before kill -9', async () => {
  const dataDir = await makeDataDir();
  const first = await start(dataDir);
  await ask(first.url, 'CREATE TABLE kept AS SELECT 7 AS n');
  process.kill(await pidOf(dataDir), 'SIGKILL');
  const second = await start(dataDir);
  expect(await ask(second.url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
  await second.stop();
});

test('is not kept from starting by a pid file whose number went to another process', async () => {
  const dataDir = await makeDataDir();
  const first = await start(dataDir);
  const pidFile = path.join(dataDir, 'postgres', 'data', 'postmaster.pid');
  const text = await readFile(pidFile, 'utf8');
  await first.stop();
  const stranger = spawn('sleep', ['600'], { ...account });
  onTestFinished(() => void stranger.kill());
  await writeFile(pidFile, text.replace(/^\d+/, String(stranger.pid)));
  if (account) await chown(pidFile, account.uid, account.gid);
  expect(await findEmbedded(dataDir)).toBeUndefined();
  const second = await start(dataDir);
  expect(await ask(second.url, 'SELECT 1 AS up')).toEqual([{ up: 1 }]);
  expect(isAlive(stranger.pid ?? 0)).toBe(true);
  await second.stop();
});

test('starts one server when two processes start it at once', async () => {
  const dataDir = await makeDataDir();
  const [one, other] = await Promise.all([startElsewhere(dataDir), startElsewhere(dataDir)]);
  expect(one.url).toBe(other.url);
  expect(await ask(one.url, 'SELECT 1 AS up')).toEqual([{ up: 1 }]);
});

test('says in one line that the data directory cannot be used', async () => {
  const file = path.join(await makeDataDir(), 'file');
  await writeFile(file, '');
  await expect(start(file)).rejects.toMatchObject({
    code: 'DATA_DIR_UNUSABLE',
    message: `Cannot use the data directory ${file}: it is not a directory. Choose another with --data-dir or DATA_DIR.`,
  });
  await expect(findEmbedded(path.join(file, 'below'))).resolves.toBeUndefined();
});

test.runIf(isRoot)(
  'keeps its data in an open place, and says so, when root gives it a closed directory',
  async () => {
    const closed = await makeDataDir(0o700);
    const dataDir = path.join(closed, 'data');
    const lines: string[] = [];
    const sink = new Writable({ write: (chunk, _encoding, done) => done(void lines.push(String(chunk))) });
    const log = makeLogger({ logLevel: 'info', logFormat: 'json' }, sink);
    made.unshift(dataDir);
    const { url, stop } = await startEmbedded({ dataDir, log, fast: true });
    expect(await ask(url, 'SELECT 1 AS up')).toEqual([{ up: 1 }]);
    expect(await findEmbedded(dataDir)).toBe(url);
    const record = await readRecord(dataDir);
    expect(record?.cluster).not.toContain(closed);
    expect(lines.join('')).toContain(path.dirname(record?.cluster ?? '?'));
    await stop();
    const again = await start(dataDir);
    expect((await readRecord(dataDir))?.cluster).toBe(record?.cluster);
    await again.stop();
  },
);

test.runIf(othersCanRunUs)('runs for a user who is not root', async () => {
  const dataDir = await makeDataDir();
  await chown(dataDir, account?.uid ?? 0, account?.gid ?? 0);
  const { url } = await startElsewhere(dataDir, { ...account, env: {} });
  expect(await ask(url, 'SELECT 1 AS up')).toEqual([{ up: 1 }]);
  const { uid } = await stat((await readRecord(dataDir))?.cluster ?? '');
  expect(uid).toBe(account?.uid);
});

test.runIf(othersCanRunUs)('tells a user who may not write where the data should go', async () => {
  const dataDir = await makeDataDir();
  const script = path.join(checkout, 'test', 'support', 'embedded-child.ts');
  const child = spawn(process.execPath, [script, dataDir], { ...account, env: {}, cwd: '/' });
  const chunks = await child.stderr.setEncoding('utf8').toArray();
  expect(chunks.join('')).toContain(`Cannot use the data directory ${dataDir}: permission denied.`);
});

test.runIf(isRoot)(
  'copies binaries that its user cannot read, and links what npm left unlinked',
  async () => {
    const closed = await makeDataDir(0o700);
    const shipped = path.join(closed, 'package', 'native');
    await cp(shippedDir(), shipped, { recursive: true, verbatimSymlinks: true });
    await cp(path.join(shippedDir(), '..', 'package.json'), path.join(closed, 'package', 'package.json'));
    const links = JSON.parse(await readFile(path.join(shipped, 'pg-symlinks.json'), 'utf8')) as {
      target: string;
    }[];
    for (const { target } of links) await unlink(path.join(closed, 'package', target));
    const cache = await makeDataDir();
    await mkdir(cache, { recursive: true });
    const copy = await findBinaries(account, cache, silentLogger(), shipped);
    expect(path.dirname(copy)).toBe(cache);
    expect(await canRun(account, path.join(copy, 'bin', 'postgres'), ['--version'])).toBe(true);
    expect(await findBinaries(account, cache, silentLogger(), shipped)).toBe(copy);
  },
);
