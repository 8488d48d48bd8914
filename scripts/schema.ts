// Writes schema.sql from a freshly migrated database; with --check it fails when the committed one differs instead.
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { diff } from 'node:util';
import { openDatabase } from '../src/sql/database.ts';
import { migrateUp } from '../src/sql/migrate.ts';
import { askServer, urlOfDatabase } from '../test/support/server.ts';
import { startTemporary } from '../test/support/temporary-server.ts';
import { dumpSchema } from './schema-dump.ts';

const FILE = fileURLToPath(new URL('../schema.sql', import.meta.url));

const actual = await dumpFreshSchema();
if (process.argv.includes('--check')) {
  process.exitCode = compare(await readFile(FILE, 'utf8').catch(() => ''), actual);
} else {
  await writeFile(FILE, actual);
}

async function dumpFreshSchema(): Promise<string> {
  const given = process.env.TEST_DATABASE_URL;
  const server = given ? { url: given, stop: () => Promise.resolve() } : await startTemporary();
  const name = `umbel_schema_${randomBytes(4).toString('hex')}`;
  try {
    await askServer(server.url, `CREATE DATABASE ${name} TEMPLATE template0`);
    return await dumpDatabase(urlOfDatabase(server.url, name));
  } finally {
    await askServer(server.url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await server.stop();
  }
}

async function dumpDatabase(url: string): Promise<string> {
  await migrateUp({ url });
  const db = openDatabase({ url });
  try {
    return await dumpSchema(db);
  } finally {
    await db.close();
  }
}

/** Prints the lines that differ and returns the exit code. */
function compare(committed: string, fresh: string): number {
  if (committed === fresh) return 0;
  const changes = diff(committed.split('\n'), fresh.split('\n'));
  for (const [operation, line] of changes)
    if (operation !== 0) console.error(operation === -1 ? `- ${line}` : `+ ${line}`);
  console.error('schema.sql is not what the migrations make: run "npm run schema" and commit it.');
  return 1;
}
