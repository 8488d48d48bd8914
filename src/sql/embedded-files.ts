// Where the embedded Postgres keeps what: `postgres.json` in the data directory says how to reach it; its home (cluster,
// password, log) lies beside it or, when that place is closed to the server's account, below /var/lib/umbel.
import { createHash, randomBytes } from 'node:crypto';
import {
  access,
  chmod,
  chown,
  constants,
  link,
  mkdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import { messageOf, UmbelError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { canEnter, type Account } from './embedded-account.ts';

const OPEN_PLACE = '/var/lib/umbel';

/** What `postgres.json` holds; only its owner may read it, for the URL has the password. */
export interface EmbeddedRecord {
  url: string;
  /** The postmaster. */
  pid: number;
  cluster: string;
  /** The process that started or adopted the server and will stop it. */
  owner: number;
}

/** The record of a data directory, if it has one. Throws DATA_DIR_UNUSABLE when it may not be read. */
export async function readRecord(dataDir: string): Promise<EmbeddedRecord | undefined> {
  try {
    return JSON.parse(await readFile(recordFile(dataDir), 'utf8')) as EmbeddedRecord;
  } catch (error) {
    if (error instanceof SyntaxError || isMissing(error)) return undefined;
    throw unusable(dataDir, error);
  }
}

/** Replaces the record in one step, so that nobody reads half of it. */
export async function writeRecord(dataDir: string, record: EmbeddedRecord): Promise<void> {
  const partial = `${recordFile(dataDir)}.${process.pid}`;
  try {
    await writeFile(partial, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
    await rename(partial, recordFile(dataDir));
  } catch (error) {
    throw unusable(dataDir, error);
  }
}

/** Makes the data directory unless it is there. Throws DATA_DIR_UNUSABLE when it cannot be made or written. */
export async function prepareDataDir(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true });
    await access(dataDir, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw unusable(dataDir, error);
  }
}

/**
 * The server's home: the one on record while it exists, else a new one. Below `dataDir` when the account can enter that,
 * else in an open place under a name that belongs to this very directory: a new directory of the same path gets a new one.
 */
export async function chooseHome(
  dataDir: string,
  account: Account | undefined,
  log: Logger,
): Promise<string> {
  const recorded = await recordedHome(dataDir);
  if (recorded) return recorded;
  if (!account || (await canEnter(account, dataDir))) return path.join(dataDir, 'postgres');
  const { ino, birthtimeMs } = await stat(dataDir);
  const name = createHash('sha256').update(`${dataDir}:${ino}:${birthtimeMs}`).digest('hex').slice(0, 16);
  const home = path.join(await openPlace(), name);
  log.info(
    { dataDir, home },
    'the data directory is closed to the user that Postgres runs as: its data lies elsewhere',
  );
  return home;
}

/** A directory that every account can enter, for the server of root alone. */
export async function openPlace(): Promise<string> {
  try {
    await mkdir(OPEN_PLACE, { recursive: true });
    await chmod(OPEN_PLACE, 0o755);
  } catch (error) {
    throw new UmbelError(
      'EMBEDDED_FAILED',
      { reason: `${OPEN_PLACE} cannot be made: ${messageOf(error)}` },
      { cause: error },
    );
  }
  return OPEN_PLACE;
}

/** Makes the home, owned by the account. */
export async function prepareHome(home: string, account: Account | undefined): Promise<void> {
  await mkdir(home, { recursive: true, mode: 0o700 });
  if (account) await chown(home, account.uid, account.gid);
}

/** The password of the cluster in that home, made up the first time. The first of several that make it up wins. */
export async function ensurePassword(
  home: string,
  account: Account | undefined,
): Promise<{ file: string; password: string }> {
  const file = path.join(home, 'password');
  const partial = `${file}.${process.pid}`;
  await writeFile(partial, randomBytes(24).toString('base64url'), { mode: 0o600 });
  if (account) await chown(partial, account.uid, account.gid);
  await link(partial, file).catch(() => undefined);
  await rm(partial);
  return { file, password: await readFile(file, 'utf8') };
}

async function recordedHome(dataDir: string): Promise<string | undefined> {
  const record = await readRecord(dataDir);
  if (!record) return undefined;
  const there = await access(path.join(record.cluster, 'PG_VERSION')).then(
    () => true,
    () => false,
  );
  return there ? path.dirname(record.cluster) : undefined;
}

function recordFile(dataDir: string): string {
  return path.join(dataDir, 'postgres.json');
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}

const REASONS: Record<string, string> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EEXIST: 'it is not a directory',
  ENOTDIR: 'it is not a directory',
};

function unusable(dataDir: string, cause: unknown): UmbelError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return new UmbelError(
    'DATA_DIR_UNUSABLE',
    { dataDir, reason: REASONS[code] ?? messageOf(cause) },
    { cause },
  );
}
