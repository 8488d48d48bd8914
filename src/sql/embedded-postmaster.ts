// The server process of a cluster: makes the cluster, launches, watches and stops the postmaster. Whether one runs is
// read from the cluster's own postmaster.pid, checked against the process itself. Used by embedded.ts.
import { execFile, spawn } from 'node:child_process';
import { chown, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { childOptions, type Account } from './embedded-account.ts';

const run = promisify(execFile);
const POLL_MS = 20;
const LOG_LIMIT = 10_000_000;

export const SUPERUSER = 'umbel';

/** Written into postgresql.conf once, where an operator may change them. This build of the server has no lz4. */
const FIRST_SETTINGS = {
  shared_buffers: '256MB',
  max_connections: '200',
  max_wal_size: '4GB',
  log_checkpoints: 'off',
  jit: 'off',
};

export interface Server {
  binaries: string;
  cluster: string;
  account: Account | undefined;
  /** For tests: no fsync; data is lost when the machine fails. */
  fast: boolean;
}

export interface Postmaster {
  pid: number;
  port: number;
  ready: boolean;
}

/** The living postmaster of a cluster. A pid file that a crash left behind counts as none. */
export async function readPostmaster(cluster: string): Promise<Postmaster | undefined> {
  const text = await readFile(path.join(cluster, 'postmaster.pid'), 'utf8').catch(() => '');
  const lines = text.split('\n');
  const [pid, port] = [Number(lines[0]), Number(lines[3])];
  if (!pid || !port || !(await isPostmaster(pid, cluster))) return undefined;
  return { pid, port, ready: lines[7]?.trim() === 'ready' };
}

/** Makes the cluster aside and renames it, so that an interrupted start leaves no half of one. */
export async function makeCluster(
  { binaries, cluster, account, fast }: Server,
  passwordFile: string,
): Promise<void> {
  const partial = `${cluster}.${process.pid}`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { mode: 0o700 });
  if (account) await chown(partial, account.uid, account.gid);
  const settings = Object.entries(FIRST_SETTINGS).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
  const flags = [
    '--pgdata',
    partial,
    '--username',
    SUPERUSER,
    '--pwfile',
    passwordFile,
    '--auth',
    'scram-sha-256',
  ];
  const locale = [
    '--encoding',
    'UTF8',
    '--locale',
    'C',
    '--locale-provider',
    'builtin',
    '--builtin-locale',
    'C.UTF-8',
  ];
  const sync = fast ? ['--no-sync'] : [];
  await run(
    path.join(binaries, 'bin', 'initdb'),
    [...flags, ...locale, ...settings, ...sync],
    childOptions(account),
  );
  await rename(partial, cluster).catch(() => rm(partial, { recursive: true }));
}

/**
 * Starts the postmaster in a session of its own (Ctrl-C reaches the parent alone, which drains first) and resolves when it
 * takes connections. It outlives its parent. Rejects with its last words when it ends before that.
 */
export async function launch(server: Server, port: number): Promise<Postmaster> {
  const log = await openLog(path.join(path.dirname(server.cluster), 'postgres.log'));
  try {
    const { size } = await log.stat();
    const child = spawn(path.join(server.binaries, 'bin', 'postgres'), postgresArguments(server, port), {
      ...childOptions(server.account),
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    let failure: Error | undefined;
    child.once('error', (error) => (failure = error));
    child.unref();
    for (;;) {
      const postmaster = await readPostmaster(server.cluster);
      if (postmaster?.ready && postmaster.pid === child.pid) return postmaster;
      if (failure) throw failure;
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(await lastWords(log, size));
      await sleep(POLL_MS);
    }
  } finally {
    await log.close();
  }
}

/** Fast shutdown: clients are disconnected, the cluster is left clean. Resolves when the process is gone. */
export async function stopPostmaster({ pid }: Postmaster, cluster: string, patience = 30_000): Promise<void> {
  const steps = ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const;
  for (const signal of steps) {
    signalTo(pid, signal);
    const until = performance.now() + patience;
    while (performance.now() < until) {
      if (!(await isPostmaster(pid, cluster))) return;
      await sleep(POLL_MS);
    }
  }
}

/** Whether a process with that id lives. */
export function isAlive(pid: number): boolean {
  return signalTo(pid, 0);
}

function postgresArguments({ cluster, fast }: Server, port: number): string[] {
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    ...(fast ? { fsync: 'off', full_page_writes: 'off' } : {}),
  };
  const pairs = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return ['-D', cluster, '-p', String(port), ...pairs];
}

/** The pid may have gone to another process since; Linux tells what a process was started as. */
async function isPostmaster(pid: number, cluster: string): Promise<boolean> {
  if (!isAlive(pid)) return false;
  if (process.platform !== 'linux') return true;
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return command.split('\0').includes(cluster);
}

function signalTo(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

async function openLog(file: string) {
  const known = await stat(file).catch(() => undefined);
  if (known && known.size > LOG_LIMIT) await rename(file, `${file}.1`);
  return open(file, 'a+', 0o600);
}

async function lastWords(log: Awaited<ReturnType<typeof open>>, from: number): Promise<string> {
  const { buffer, bytesRead } = await log.read(Buffer.alloc(8_192), 0, 8_192, from);
  const lines = buffer.toString('utf8', 0, bytesRead).trim().split('\n');
  const fatal = lines.filter((line) => /\b(FATAL|PANIC|error while loading)\b/.test(line));
  return (fatal.at(-1) ?? lines.at(-1) ?? 'it ended without a word').replace(/^.*(FATAL|PANIC): +/, '');
}
