// An embedded Postgres of a test file's own that is stopped as an operator or a crash stops it, and started again at the same address.
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { silentLogger } from '../../src/log.ts';
import { type Account, ownerOf } from '../../src/sql/embedded-account.ts';
import { findBinaries } from '../../src/sql/embedded-binaries.ts';
import { openPlace, readRecord } from '../../src/sql/embedded-files.ts';
import { launch, readPostmaster } from '../../src/sql/embedded-postmaster.ts';
import { startEmbedded } from '../../src/sql/embedded.ts';
import { migrateUp } from '../../src/sql/migrate.ts';
import { openDatabase } from '../../src/sql/database.ts';
import type { TestDatabase } from './database.ts';
import { askServer, urlOfDatabase } from './server.ts';

export interface FaultServer {
  /** For an administrator. */
  url: string;
  /** A migrated database; its own pool may be used between faults. */
  createDatabase: () => Promise<TestDatabase>;
  /** `fast` rolls back and disconnects everybody, `immediate` is a crash. Resolves when the server is gone. */
  halt: (mode: 'fast' | 'immediate') => Promise<void>;
  /** Starts it again, and recovers. */
  start: () => Promise<void>;
  /** Whom the server runs as; undefined: as the tests do. */
  account: Account | undefined;
  remove: () => Promise<void>;
}

const SIGNALS = { fast: 'SIGINT', immediate: 'SIGQUIT' } as const;
const TEMPLATE = 'fault_template';

/** `durable`: everything is synced, as a crash test needs it. */
export async function startFaultServer({ durable = false } = {}): Promise<FaultServer> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'umbel-test-server-'));
  await chmod(dataDir, 0o755);
  const { url } = await startEmbedded({ dataDir, log: silentLogger(), fast: !durable });
  const { cluster } = (await readRecord(dataDir))!;
  await askServer(url, `CREATE DATABASE ${TEMPLATE}`);
  await migrateUp({ url: urlOfDatabase(url, TEMPLATE) });

  const halt: FaultServer['halt'] = async (mode) => {
    const running = await readPostmaster(cluster);
    if (!running) return;
    process.kill(running.pid, SIGNALS[mode]);
    while (await readPostmaster(cluster)) await sleep(10);
  };
  const account = await ownerOf(path.dirname(cluster));
  const start = async () => {
    const binaries = await findBinaries(account, account ? await openPlace() : dataDir, silentLogger());
    await launch({ binaries, cluster, account, fast: !durable }, Number(new URL(url).port));
  };
  let made = 0;
  const createDatabase = async () => {
    const name = `fault_${(made += 1)}`;
    await askServer(url, `CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`);
    const own = urlOfDatabase(url, name);
    const db = openDatabase({ url: own, max: 4, applicationName: 'umbel fault test' });
    const drop = async () => {
      await db.close();
      await askServer(url, `DROP DATABASE ${name} WITH (FORCE)`);
    };
    return { url: own, db, drop };
  };
  const remove = async () => {
    await halt('immediate');
    await rm(dataDir, { recursive: true, force: true });
  };
  return { url, createDatabase, halt, start, account, remove };
}
