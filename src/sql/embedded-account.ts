// Whom the embedded Postgres runs as. The server refuses root, so root starts it as another user; that user must be able
// to reach binaries and data, which is asked of the system itself. Used by the other embedded-*.ts.
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { UmbelError } from '../errors.ts';

const run = promisify(execFile);

export interface Account {
  uid: number;
  gid: number;
}

/** The user to start Postgres as: undefined for the present one, else `postgres` or `nobody` in the place of root. */
export async function chooseAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const account = (await lookUp('postgres')) ?? (await lookUp('nobody'));
  if (account) return account;
  throw new UmbelError('EMBEDDED_FAILED', {
    reason: 'it does not run as root, and there is no user "postgres" or "nobody" to run it as',
  });
}

/** The owner of an existing cluster, who alone may run it; undefined when that is the present user or nobody yet. */
export async function ownerOf(home: string): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const owner = await stat(home).catch(() => undefined);
  return owner && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : undefined;
}

/**
 * Options for a child of that account: out of a working directory that it may not enter, and with an environment that
 * cannot redirect Postgres (PGDATA, PGPORT, LC_ALL …). Windows needs its environment.
 */
export function childOptions(account: Account | undefined) {
  return { cwd: '/', ...account, ...(process.platform === 'win32' ? {} : { env: {} }) };
}

/** Whether a program answers when that account runs it. */
export async function canRun(account: Account | undefined, file: string, args: string[]): Promise<boolean> {
  return run(file, args, childOptions(account)).then(
    () => true,
    () => false,
  );
}

/** Whether the account can enter a directory, all directories above it included. */
export function canEnter(account: Account, dir: string): Promise<boolean> {
  return canRun(account, '/bin/sh', ['-c', 'cd -- "$1"', 'sh', dir]);
}

async function lookUp(name: string): Promise<Account | undefined> {
  try {
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async (flag) => Number((await run('id', [flag, name])).stdout)),
    );
    return uid && gid ? { uid, gid } : undefined;
  } catch {
    return undefined;
  }
}
