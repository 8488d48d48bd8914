// An embedded Postgres in a directory of its own for one run of tests or of a script.
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { silentLogger } from '../../src/log.ts';
import { readRecord } from '../../src/sql/embedded-files.ts';
import { isAlive } from '../../src/sql/embedded-postmaster.ts';
import { findEmbedded, startEmbedded } from '../../src/sql/embedded.ts';

const TEMPORARY = 'umbel-test-server-';

export interface Server {
  /** For an administrator who may make databases. */
  url: string;
  stop: () => Promise<void>;
}

/** A server that forgets: empty, unsynced, gone with its directory when stopped. */
export async function startTemporary(): Promise<Server> {
  await sweepOrphans();
  const dataDir = await mkdtemp(path.join(tmpdir(), TEMPORARY));
  await chmod(dataDir, 0o755);
  const embedded = await startEmbedded({ dataDir, log: silentLogger(), fast: true });
  const stop = async () => {
    await embedded.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
  return { url: embedded.url, stop };
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
